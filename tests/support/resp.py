"""Find where one message of Redis' protocol ends and the next begins; no more than a proxy needs."""

_AGGREGATES = {b"*": 1, b"~": 1, b">": 1, b"%": 2}
_BULKS = frozenset({b"$", b"!", b"="})
_ATTRIBUTE = b"|"
PUSH = b">"


class Splitter:
    """Cuts a byte stream into whole messages of RESP2 or RESP3."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take more bytes and return the messages that are now complete."""
        self._buffer += data
        messages = []
        begin = 0
        while (end := _end_of_message(self._buffer, begin)) is not None:
            messages.append(bytes(self._buffer[begin:end]))
            begin = end
        del self._buffer[:begin]
        return messages


def words(request: bytes) -> bytes:
    """Return a request's command and arguments as one text, parted by spaces."""
    if not request.startswith(b"*"):
        return request.strip()
    found = []
    at = request.index(b"\r\n") + 2
    while at < len(request):
        head_end = request.index(b"\r\n", at)
        length = int(request[at + 1 : head_end])
        found.append(request[head_end + 2 : head_end + 2 + length])
        at = head_end + 2 + length + 2
    return b" ".join(found)


def _end_of_message(buffer: bytearray, begin: int) -> int | None:
    """Return the position behind the message at `begin`, None if it is not complete."""
    at = begin
    outstanding = 1
    while outstanding:
        head_end = buffer.find(b"\r\n", at)
        if head_end < 0:
            return None
        kind = bytes(buffer[at : at + 1])
        size = buffer[at + 1 : head_end]
        at = head_end + 2
        outstanding -= 1
        if kind in _BULKS:
            if int(size) >= 0:
                at += int(size) + 2
        elif kind in _AGGREGATES:
            outstanding += max(int(size), 0) * _AGGREGATES[kind]
        elif kind == _ATTRIBUTE:
            # Attributes come before the message that they belong to.
            outstanding += int(size) * 2 + 1
    return at if at <= len(buffer) else None
