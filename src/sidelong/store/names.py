"""Names that Redis holds, as text and back: they may be any bytes, and none of them may be lost on the way."""

from sidelong.store import keys


def read_name(name: bytes) -> str:
    """Return a name as text; bytes that are not UTF-8 become lone surrogates."""
    return name.decode("utf-8", "surrogateescape")


def written(name: str) -> bytes:
    """Return the bytes of a name that `read_name` made, or that a user gave."""
    return name.encode("utf-8", "surrogateescape")


def queue_key(name: str) -> bytes:
    """Return the key of a queue whose name may be any."""
    return written(keys.queue(name))
