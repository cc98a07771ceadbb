"""What Redis tells of itself by INFO: lines of names and values, which differ by version and by product."""


def read_info(answer: bytes) -> dict[str, str]:
    """Return the values of an answer to INFO by name."""
    lines = answer.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def number(facts: dict[str, str], name: str) -> int | None:
    """Return a whole number; None if it is not told."""
    text = facts.get(name, "")
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 20 else None
