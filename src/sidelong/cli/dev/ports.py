"""The sockets of `sidelong dev`: bound once, so that requests wait while the code is loaded anew."""

import errno
import socket
from typing import Final

from sidelong.cli.http_serving import bound
from sidelong.errors import ConfigurationError

_TRIES: Final = 100
_MOST_WAITING: Final = 2_048
_HIGHEST: Final = 65_535


def listen(host: str, port: int | None, usual: int, *, spared: int | None = None) -> socket.socket:
    """Return a socket that listens.

    Args:
        host: the address.
        port: the port; None for the usual one or, where that is taken, the next that is free.
        usual: see above.
        spared: a port that is left to another server; it is taken only if it was asked for.

    Raises:
        ConfigurationError: the address cannot be used.
    """
    usual_ports = range(usual, min(usual + _TRIES, _HIGHEST))
    ports = [port] if port is not None else [each for each in usual_ports if each != spared]
    for each in ports:
        try:
            listener = bound(host, each)
            # One that is only bound is not taken yet.
            listener.listen(_MOST_WAITING)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and each != ports[-1]:
                continue
            raise ConfigurationError(f"cannot listen on {host}:{each}: {error.strerror or error}") from None
        return listener
    raise AssertionError("there is at least one port")
