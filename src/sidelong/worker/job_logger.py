"""One line when a job starts, and one when it ends; and the log level that a job asks for."""

import asyncio
import logging
from contextlib import suppress
from typing import Any

from sidelong.core import payload
from sidelong.core.display import shown
from sidelong.core.logs.context import current_fields
from sidelong.core.logs.fields import Fields, Seconds
from sidelong.core.logs.levels import ROOT_LEVEL, level_of
from sidelong.core.logs.message import LogMessage
from sidelong.core.outcome import Cancelled, Dead, Outcome, Retry

logger = logging.getLogger("sidelong.job")
_worker_logger = logging.getLogger("sidelong.worker")


class JobLogger:
    """Writes what becomes of each job; costs next to nothing while INFO is off, and never raises.

    Args:
        is_wanted: False leaves start, done and fail lines out.
    """

    def __init__(self, *, is_wanted: bool = True) -> None:
        self._is_wanted = is_wanted

    def is_on(self, item: dict[str, Any]) -> bool:
        """Whether anybody listens; a job's `log_level` above INFO silences its lines."""
        if not self._is_wanted or not logger.isEnabledFor(logging.INFO):
            return False
        return "log_level" not in item or (level_of(item) or logging.INFO) <= logging.INFO

    def heed_level(self, item: dict[str, Any]) -> None:
        """Let the job of the current task log from the level up that its payload asks for, until the task ends."""
        level, task = level_of(item), asyncio.current_task()
        if level is not None and task is not None:
            ROOT_LEVEL.lower(level)
            task.add_done_callback(lambda _: ROOT_LEVEL.restore(level))

    def start(self, item: dict[str, Any]) -> None:
        """A job begins."""
        _tell(logger, logging.INFO, "start", item)

    def done(self, item: dict[str, Any], seconds: float) -> None:
        """A job ended well."""
        _tell(logger, logging.INFO, "done", item, elapsed=_elapsed(seconds))

    def fail(self, item: dict[str, Any], seconds: float, error: BaseException, outcome: Outcome) -> None:
        """A job raised; the line says what becomes of it."""
        _tell(
            logger, logging.INFO, "fail", item, elapsed=_elapsed(seconds), error=type(error).__name__, **_fate(outcome)
        )

    def interrupted(self, item: dict[str, Any], seconds: float) -> None:
        """A job was broken off and goes back to its queue."""
        _tell(logger, logging.INFO, "interrupted", item, elapsed=_elapsed(seconds))

    def cancelled(self, item: dict[str, Any], seconds: float | None) -> None:
        """A job was called off, and does not run again; None if it never ran."""
        more = {} if seconds is None else {"elapsed": _elapsed(seconds)}
        _tell(logger, logging.INFO, "cancelled", item, **more)

    def late(self, item: dict[str, Any], seconds: float) -> None:
        """A job returned after its timeout, and nothing could interrupt it."""
        _tell(
            _worker_logger,
            logging.WARNING,
            "late: it returned beyond its timeout; nothing could interrupt it",
            item,
            elapsed=_elapsed(seconds),
        )

    def stuck(self, item: dict[str, Any], timeout: float) -> None:
        """A job goes on although it was cancelled."""
        _tell(
            _worker_logger,
            logging.ERROR,
            "stuck: its timeout has passed, and it does not end; it keeps its slot",
            item,
            timeout=timeout,
        )


def _tell(to: logging.Logger, level: int, text: str, item: dict[str, Any], **more: Any) -> None:
    if not to.isEnabledFor(level):
        return
    # Handlers may be anybody's: one that raises must neither fail a job nor undo what it did.
    with suppress(Exception):
        subject = current_fields()
        if "jid" not in subject:
            subject = Fields({"class": shown(payload.job_class(item)), "jid": shown(item.get("jid"))})
        message = LogMessage(text, Fields({**subject, **more}) if more else subject)
        # Made here, for the search of the caller would take as long as all else: it is always this line.
        record = logging.LogRecord(to.name, level, __file__, 0, message, None, None)
        record.job_context = subject
        to.handle(record)


def _elapsed(seconds: float) -> Seconds:
    return Seconds(round(seconds, 3))


def _fate(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Retry(delay=delay):
            return {"retry_in": round(delay)}
        case Dead():
            return {"outcome": "dead"}
        case Cancelled():
            return {"outcome": "cancelled"}
        case _:
            return {"outcome": "dropped"}
