"""Names that nothing else has: a process as Sidekiq's tools show it, and a job."""

import os
import socket


def new_identity(host: str | None = None) -> str:
    """Return `<host>:<pid>:<nonce>`, new at each call.

    The nonce of 12 hex characters tells apart what host and pid cannot: containers that reuse both.

    Args:
        host: name of the machine or container; the system's host name if missing.
    """
    return f"{host or socket.gethostname()}:{os.getpid()}:{os.urandom(6).hex()}"


def new_jid() -> str:
    """Return a job id: 24 lower-case hex characters, straight from the system so that a fork repeats none."""
    return os.urandom(12).hex()


def new_jids(count: int) -> list[str]:
    """Return so many job ids, for a fraction of what asking the system for each costs."""
    digits = os.urandom(12 * count).hex()
    return [digits[at : at + 24] for at in range(0, len(digits), 24)]
