"""`sidelong health`: asks a worker's probe and says by the exit status what it answered.

For probes that run a command. It is started every few seconds, so it imports next to nothing.
"""

import socket
import sys

from sidelong.cli.exit_status import ExitStatus
from sidelong.core.address import parse_address
from sidelong.errors import ConfigurationError
from sidelong.settings import resolve

_ANSWER_WITHIN = 3.0
_LONGEST_ANSWER = 65_536
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nobody binds here
"""What a server that listens everywhere is asked at."""


def ask_health(address: str | None, *, probe: str) -> int:
    """Ask a probe and return the exit status: 0 if all is well, 1 if not, 2 if nobody knows where to ask.

    Args:
        address: HOST:PORT; None for that of the settings.
        probe: `live` or `ready`.
    """
    try:
        address = address or resolve({}).config.health
        if not address:
            raise ConfigurationError("nobody says where: give HOST:PORT, or set SIDELONG_HEALTH as for the worker")
        host, port = parse_address(address, called="the address")
    except ConfigurationError as error:
        sys.stderr.write(f"sidelong: {error}\n")
        return ExitStatus.MISUSED
    try:
        status, text = _asked(_ANYWHERE.get(host, host), port, probe)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        sys.stderr.write(f"sidelong: no answer from {address}: {reason}\n")
        return ExitStatus.FAILED
    sys.stdout.write(f"{text}\n")
    return ExitStatus.DONE if status == 200 else ExitStatus.FAILED


def _asked(host: str, port: int, probe: str) -> tuple[int, str]:
    """Return the status and the text of an answer.

    Raises:
        OSError: there was none.
        ValueError: it is not HTTP.
    """
    with socket.create_connection((host, port), timeout=_ANSWER_WITHIN) as connection:
        connection.sendall(f"GET /{probe} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        answer = b""
        while len(answer) < _LONGEST_ANSWER and (part := connection.recv(4096)):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    words = head.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/"):
        raise ValueError("what answers there is no probe")
    return int(words[1]), body.decode("utf-8", "replace").strip()
