"""The host's end of its link with the supervisor: an order comes first, then levels; reports go back.

The link closes when the supervisor ends, however it ends: no host outlives it.
"""

import json
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from sidelong.cli.dev.levels import Level
from sidelong.cli.dev.options import HostOrder
from sidelong.cli.exit_status import ExitStatus

logger = logging.getLogger("sidelong.cli")

_AT_ONCE: Final = 4_096


class HostLink:
    """Speaks with the supervisor.

    Args:
        descriptor: of the socket that was inherited.

    Attributes:
        is_cut: whether the supervisor is gone.
    """

    def __init__(self, descriptor: int) -> None:
        self.is_cut = False
        self._link = socket.socket(fileno=descriptor)
        # What the user's code starts must not keep it open.
        self._link.set_inheritable(False)
        self._unread = b""

    def order(self) -> HostOrder:
        """Wait for the order, which comes first.

        Raises:
            EOFError: the supervisor has ended before it gave one.
        """
        while b"\n" not in self._unread:
            if not (received := self._link.recv(_AT_ONCE)):
                raise EOFError
            self._unread += received
        text, _, self._unread = self._unread.partition(b"\n")
        return HostOrder.from_json(text)

    def listen(self, told: Callable[[Level], None]) -> None:
        """Call `told` with each level, in a thread: it must come through while the event loop is blocked."""
        threading.Thread(target=self._listen, args=[told], name="sidelong-dev-link", daemon=True).start()

    def serving(self, *, redis: str, missing_redis: str | None) -> None:
        """Report that the host begins to work.

        Args:
            redis: the address that it uses.
            missing_redis: the one that did not answer, so that it uses the embedded store.
        """
        self._report(is_serving=True, redis=redis, missing_redis=missing_redis)

    def refuse(self, status: ExitStatus, sentence: str) -> None:
        """Report that the host cannot work as it was told, and why."""
        self._report(refused=status, sentence=sentence)

    def advised(self, kinds: list[str]) -> None:
        """Report of what kinds advice was told, by this host and those before it."""
        self._report(advice=kinds)

    def debugging(self) -> None:
        """Report that the end takes as long as a person needs."""
        self._report(is_debugging=True)

    def _report(self, **values: Any) -> None:
        # Nobody is there to hear it any more.
        with suppress(OSError):
            self._link.sendall(json.dumps(values).encode() + b"\n")

    def _listen(self, told: Callable[[Level], None]) -> None:
        received = self._unread
        while True:
            for level in received:
                told(Level(level))
            try:
                received = self._link.recv(_AT_ONCE)
            except OSError:
                received = b""
            if not received:
                self.is_cut = True
                logger.warning("The process that started this one is gone: ending")
                told(Level.SOON)
                return
