"""Who did what: a line for every action, done or refused, by the logger `sidelong.audit`."""

import logging
from typing import Final

from sidelong.core.display import shown

logger: Final = logging.getLogger("sidelong.audit")


def record(user: str, action: str, target: str, outcome: str, address: str) -> None:
    """Write one line; names that came from outside cannot break it.

    Args:
        user: who asked.
        action: what for, such as `delete`.
        target: of what, such as `retry`.
        outcome: what came of it.
        address: from where, as the server knows it.
    """
    fields = {"user": user, "action": action, "target": target, "outcome": outcome, "address": address}
    fields = {name: shown(value) for name, value in fields.items()}
    logger.info("%(user)s: %(action)s %(target)s: %(outcome)s (from %(address)s)", fields, extra={"audit": fields})
