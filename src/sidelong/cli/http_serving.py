"""What commands need to serve HTTP with uvicorn: sockets, addresses, and a server that leaves signals to them."""

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

FOR_PAGES: Final[Mapping[str, Any]] = {
    "lifespan": "off",
    # What a proxy says of where a request came from is nobody's word here.
    "proxy_headers": False,
    "server_header": False,
    "limit_concurrency": 500,
    "ws": "none",
}
"""What uvicorn is told for the pages of `sidelong.web`."""


def new_server(uvicorn: Any, application: Any, **settings: Any) -> Any:
    """Return a server that logs as the command does and takes no signals; `should_exit = True` ends it.

    Args:
        uvicorn: the module, which is an extra.
        application: what it serves, by ASGI.
        settings: as `uvicorn.Config` takes them.
    """
    server = uvicorn.Server(uvicorn.Config(application, log_config=None, **settings))
    # uvicorn's own handlers would raise the signal again at the end, and the status would be that of a death.
    server.capture_signals = _no_signals
    return server


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address, and does not listen yet.

    Raises:
        OSError: the address cannot be used.
    """
    host = host.strip("[]")
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except BaseException:
        listener.close()
        raise
    return listener


def address_of(listener: socket.socket) -> str:
    """Return the URL at which a socket can be reached."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@contextmanager
def _no_signals() -> Iterator[None]:
    yield
