"""Whether a request that changes something was made by one of our own pages (against CSRF).

There is no token and no session: `Sec-Fetch-Site` and `Origin` are written by the browser, and no page can change them.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from sidelong.web.security.hosts import read_host

SAFE_METHODS: Final = frozenset({"GET", "HEAD"})

_PORTS: Final = {"http": 80, "https": 443}


def is_origin(text: str) -> bool:
    """Tell whether a text is an origin as browsers write it, such as `https://admin.example.org`."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    is_http = parts.scheme in _PORTS and read_host(parts.netloc) is not None
    return is_http and text == f"{parts.scheme}://{parts.netloc}".lower()


def is_own(request: Request, configured: Sequence[str] = ()) -> bool:
    """Tell whether a request comes from our own pages, or from a program that brings its credentials.

    Browsers leave `Sec-Fetch-Site` out where the page came over plain HTTP; then `Origin` must be the host that was
    asked. A program sends neither: it must show credentials with this very request.

    Args:
        request: the request.
        configured: further origins, such as `https://admin.example.org`, for proxies that change `Host`.
    """
    sites = request.headers.getlist("sec-fetch-site")
    if sites:
        return sites == ["same-origin"]
    origins = request.headers.getlist("origin")
    if origins:
        return len(origins) == 1 and (origins[0] in configured or _is_of_host(origins[0], request))
    return bool(request.headers.get("authorization"))


def _is_of_host(origin: str, request: Request) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    ours, theirs = read_host(request.headers.get("host", "")), read_host(parts.netloc)
    if ours is None or theirs is None or parts.scheme not in _PORTS:
        return False
    port = _PORTS[parts.scheme]
    return (ours[0], ours[1] or port) == (theirs[0], theirs[1] or port)
