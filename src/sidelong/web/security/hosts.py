"""The names under which the pages may be asked for.

A page elsewhere may let its own name point to a loopback address (DNS rebinding); to the browser that is one origin
then, and only the `Host` header tells.
"""

import re
from collections.abc import Sequence
from typing import Final

from starlette.requests import Request

LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")
ANY: Final = "*"

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::(\d{1,5}))?")


def read_host(text: str) -> tuple[str, int | None] | None:
    """Return name, in small letters, and port of a `Host` header; None if it is none."""
    parts = _HOST.fullmatch(text)
    if parts is None:
        return None
    return parts[1].lower(), int(parts[2]) if parts[2] else None


def is_allowed(request: Request, allowed: Sequence[str]) -> bool:
    """Tell whether a request came for one of these names.

    Args:
        request: the request.
        allowed: names with or without a port; `*` allows all.
    """
    given = request.headers.getlist("host")
    if ANY in allowed:
        return len(given) <= 1
    if len(given) != 1 or (host := read_host(given[0])) is None:
        return False
    return any(name == host[0] and port in (None, host[1]) for name, port in filter(None, map(read_host, allowed)))
