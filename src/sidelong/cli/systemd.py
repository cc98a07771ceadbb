"""What a service of `Type=notify` tells systemd: sd_notify(3), without its library."""

import socket
from contextlib import suppress


class Systemd:
    """Sends lines such as `READY=1`; nothing that goes wrong with it concerns the worker.

    Args:
        address: where systemd listens: a path, or `@` and the name of an abstract socket.
    """

    def __init__(self, address: str) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def tell(self, *lines: str) -> bool:
        """Send lines, in one message and without waiting; return whether they are on their way."""
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
            link.setblocking(False)
            link.sendto("\n".join(lines).encode(), self._address)
            return True
        return False
