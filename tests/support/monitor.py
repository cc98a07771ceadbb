"""Count commands as Redis' MONITOR sees them, those inside scripts left out."""

import re
import socket
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit
from uuid import uuid4

_LINE = re.compile(rb"\+(?P<at>[\d.]+) \[(?P<db>\d+) (?P<source>[^\]]+)\] (?P<words>.*)", re.DOTALL)
_WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class SeenCommand:
    """One command that a client sent.

    Attributes:
        at: server time in epoch seconds.
        client: the sender's address.
        name: the command in capitals.
        arguments: the rest, as MONITOR quotes it.
    """

    at: float
    client: str
    name: str
    arguments: tuple[str, ...]


class Monitor:
    """Watches one database from `with` to its end; `commands` is complete once the block is left.

    Args:
        url: a plain `redis://host:port/db`.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 6379)
        self._database = int(parts.path.strip("/") or 0)
        self._end = f"monitor-{uuid4().hex}".encode()
        self._thread = threading.Thread(target=self._read, name="monitor", daemon=True)
        self._connection: socket.socket | None = None
        self.commands: list[SeenCommand] = []

    def __enter__(self) -> Self:
        self._connection = socket.create_connection(self._address, timeout=30)
        self._connection.sendall(b"MONITOR\r\n")
        if self._connection.recv(5) != b"+OK\r\n":
            raise RuntimeError("the server refuses MONITOR")
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        # The stream ends with a mark of our own: everything sent before it has been seen.
        with socket.create_connection(self._address, timeout=30) as marker:
            marker.sendall(b"ECHO " + self._end + b"\r\n")
            marker.recv(64)
        self._thread.join(timeout=30)
        if self._connection is not None:
            self._connection.close()

    @property
    def names(self) -> Counter[str]:
        """How often each command was sent."""
        return Counter(command.name for command in self.commands)

    def _read(self) -> None:
        if self._connection is None:
            return
        with self._connection.makefile("rb") as lines:
            for line in lines:
                if self._end in line:
                    return
                self._note(line.rstrip(b"\r\n"))

    def _note(self, line: bytes) -> None:
        match = _LINE.match(line)
        if match is None or int(match["db"]) != self._database or match["source"] == b"lua":
            return
        name, *arguments = (word.decode("utf-8", "replace") for word in _WORD.findall(match["words"]))
        self.commands.append(SeenCommand(float(match["at"]), match["source"].decode(), name.upper(), tuple(arguments)))
