"""The queues given on a command line: `name` or `name,weight`."""

from collections.abc import Sequence


def parse_queues(texts: Sequence[str]) -> list[tuple[str, int]]:
    """Return names with weights, in the order given.

    No weight anywhere means strict order, which is weight 0 for all; beside a weighted queue an unweighted
    one weighs 1.

    Args:
        texts: `name` or `name,weight` each, the weight a whole number from 1.

    Raises:
        ValueError: a name is missing or repeated, or a weight is no positive whole number.
    """
    pairs = [_parse(text) for text in texts]
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"queue {name!r} is given twice; its share is set by a weight, as in {name},2")
    unweighted = 1 if any(weight is not None for _, weight in pairs) else 0
    return [(name, unweighted if weight is None else weight) for name, weight in pairs]


def _parse(text: str) -> tuple[str, int | None]:
    name, comma, weight = text.partition(",")
    if not name or name != name.strip():
        raise ValueError(f"{text!r} has no queue name; write name or name,weight")
    if not comma:
        return name, None
    if not (weight.isascii() and weight.isdigit() and int(weight) >= 1):
        raise ValueError(f"the weight in {text!r} must be a whole number from 1 up")
    return name, int(weight)
