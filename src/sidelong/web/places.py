"""Where the pages are in the host application, and how names of any characters are written in a path.

Only the ASGI scope says where: headers such as `X-Forwarded-Prefix` may come from anybody.
"""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode

_PREFIX: Final = re.compile(r"(?:/[^/\\\s\x00-\x1f?#]+)*")
# A browser resolves a dot before it asks, and a proxy may do the same with all others that are left out here.
_PLAIN: Final = re.compile(r"(?!\.+$)[A-Za-z0-9_.:-]{1,200}")
_MARK: Final = "~"


@dataclass(frozen=True, slots=True)
class Place:
    """What was asked for.

    Attributes:
        prefix: the path under which the pages are mounted, without a slash at its end.
        path: the path below it, without a slash at its end but for the first page, which is `/`.
    """

    prefix: str
    path: str

    def url(self, path: str, **query: object) -> str:
        """Return the address of a page below the prefix; what is None or empty is left out of the query."""
        return quote(self.prefix) + write_path(path, **query)


def write_path(path: str, **query: object) -> str:
    """Return the address of a page without the prefix."""
    given = {name: str(value) for name, value in query.items() if value is not None and value != ""}
    return f"{path}?{urlencode(given, errors='surrogatepass')}" if given else path


def place_of(scope: Any) -> Place:
    """Return where a request goes, whether the host leaves the prefix in the path, as ASGI says, or takes it out."""
    path, prefix = scope["path"], scope.get("root_path", "").rstrip("/")
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        path = path[len(prefix) :]
    elif not prefix:
        prefix = _prefix_taken_out(scope, path)
    if not _PREFIX.fullmatch(prefix):
        prefix = ""
    # Two slashes are another address than one.
    return Place(prefix, (path if path.endswith("//") else path.removesuffix("/")) or "/")


def _prefix_taken_out(scope: Any, path: str) -> str:
    """Return what the host has cut off the path without saying so in `root_path`."""
    whole = unquote(scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1")).rstrip("/")
    ours = path.rstrip("/")
    return whole[: len(whole) - len(ours)] if whole.endswith(ours) else ""


def write_segment(name: str) -> str:
    """Return a name, which may have any characters, as one segment of a path."""
    if _PLAIN.fullmatch(name):
        return name
    return _MARK + urlsafe_b64encode(name.encode("utf-8", "surrogatepass")).decode("ascii").rstrip("=")


def read_segment(segment: str) -> str | None:
    """Return the name that a segment stands for; None if it is none of ours."""
    if not segment.startswith(_MARK):
        return segment if _PLAIN.fullmatch(segment) else None
    try:
        encoded = segment[1:]
        name = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("utf-8", "surrogatepass")
    except (ValueError, binascii.Error):
        return None
    return name if write_segment(name) == segment else None
