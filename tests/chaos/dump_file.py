"""A dump of Redis as a JSON file, to be kept beside the ledger of a run; every byte survives."""

import json
from pathlib import Path
from typing import Any

from tests.support.redis_state import Entry, State


def save(path: str | Path, state: State) -> None:
    """Write a state."""
    rows = {
        name: {"type": entry.type, "value": _written(entry.type, entry.value), "ttl": entry.ttl}
        for name, entry in state.items()
    }
    Path(path).write_text(json.dumps(rows, indent=1), encoding="ascii")


def load(path: str | Path) -> State:
    """Read what `save` has written."""
    rows = json.loads(Path(path).read_text(encoding="ascii"))
    return {name: Entry(row["type"], _read(row["type"], row["value"]), row["ttl"]) for name, row in rows.items()}


def _written(kind: str, value: Any) -> Any:
    match kind:
        case "string":
            return _text(value)
        case "list":
            return [_text(member) for member in value]
        case "set":
            return sorted(_text(member) for member in value)
        case "hash":
            return [[_text(field), _text(held)] for field, held in value.items()]
        case "zset":
            return [[_text(member), score] for member, score in value.items()]
        case "stream":
            return [[_text(number), _written("hash", fields)] for number, fields in value]
    raise ValueError(f"no way to write a {kind}")


def _read(kind: str, value: Any) -> Any:
    match kind:
        case "string":
            return _bytes(value)
        case "list":
            return [_bytes(member) for member in value]
        case "set":
            return frozenset(_bytes(member) for member in value)
        case "hash":
            return {_bytes(field): _bytes(held) for field, held in value}
        case "zset":
            return {_bytes(member): score for member, score in value}
        case "stream":
            return [(_bytes(number), _read("hash", fields)) for number, fields in value]
    raise ValueError(f"no way to read a {kind}")


# One character for each byte.


def _text(data: bytes) -> str:
    return data.decode("latin-1")


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")
