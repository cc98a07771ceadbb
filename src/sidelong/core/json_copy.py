"""Copy a payload for code that may change what it is given."""

from typing import Any


def json_copy(value: Any) -> Any:
    """Return `value` with every dict and list in it made anew.

    Unlike `copy.deepcopy` it runs no code of others: what middleware has put into a payload is shared.
    """
    if isinstance(value, dict):
        return {key: json_copy(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [json_copy(inner) for inner in value]
    return value
