"""One line when a job starts, and one when it ends."""

import logging
from typing import Any

from sidelong.core import payload
from sidelong.core.display import shown
from sidelong.core.outcome import Dead, Outcome, Retry

logger = logging.getLogger("sidelong.job")

_LEVELS = logging.getLevelNamesMapping() | {"FATAL": logging.CRITICAL}


class JobLogger:
    """Writes start, done and fail lines; costs next to nothing while INFO is off."""

    def is_on(self, item: dict[str, Any]) -> bool:
        """Whether anybody listens; a job's `log_level` above INFO silences its lines."""
        if not logger.isEnabledFor(logging.INFO):
            return False
        level = item.get("log_level")
        return type(level) is not str or _LEVELS.get(level.upper(), logging.INFO) <= logging.INFO

    def start(self, item: dict[str, Any]) -> None:
        """A job begins."""
        logger.info("start class=%s jid=%s", shown(payload.job_class(item)), shown(item.get("jid")))

    def done(self, item: dict[str, Any], seconds: float) -> None:
        """A job ended well."""
        logger.info(
            "done class=%s jid=%s elapsed=%.3f",
            shown(payload.job_class(item)),
            shown(item.get("jid")),
            seconds,
        )

    def fail(self, item: dict[str, Any], seconds: float, error: BaseException, outcome: Outcome) -> None:
        """A job raised; the line says what becomes of it."""
        logger.info(
            "fail class=%s jid=%s elapsed=%.3f error=%s %s",
            shown(payload.job_class(item)),
            shown(item.get("jid")),
            seconds,
            type(error).__name__,
            _fate(outcome),
        )

    def interrupted(self, item: dict[str, Any], seconds: float) -> None:
        """A job was broken off and goes back to its queue."""
        logger.info(
            "interrupted class=%s jid=%s elapsed=%.3f",
            shown(payload.job_class(item)),
            shown(item.get("jid")),
            seconds,
        )


def _fate(outcome: Outcome) -> str:
    match outcome:
        case Retry(delay=delay):
            return f"retry_in={delay:.0f}"
        case Dead():
            return "dead"
        case _:
            return "dropped"
