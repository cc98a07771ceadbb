"""The `log_level` of a job: it holds for what this job logs while it runs, and for no other."""

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from sidelong.core.context import running_context

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "critical": logging.CRITICAL,
}


def level_of(item: Mapping[str, Any]) -> int | None:
    """Return the level that the payload `item` asks for, or None."""
    name = item.get("log_level")
    return _LEVELS.get(name.lower()) if type(name) is str else None


class RootLevel:
    """Lowers the level of the root logger while jobs run that want to log more.

    It does so only where every handler that would get more has a `JobLevelFilter`.

    Attributes:
        usual: what its level is otherwise, None while it is not lowered.
    """

    def __init__(self, root: logging.Logger) -> None:
        self.usual: int | None = None
        self._root = root
        self._wanted: Counter[int] = Counter()
        self._set_to = logging.NOTSET

    def lower(self, level: int) -> None:
        """A job that logs from `level` up begins."""
        self._wanted[level] += 1
        self._apply()

    def restore(self, level: int) -> None:
        """A job that logs from `level` up has ended."""
        self._wanted[level] -= 1
        self._apply()

    def governs(self, logger: logging.Logger | None) -> bool:
        """Tell whether a logger takes its level from the root, as none was set on it or between."""
        while logger is not None and logger is not self._root:
            if logger.level:
                return False
            logger = logger.parent
        return True

    def logger(self, name: str) -> logging.Logger:
        """Return a logger below this root."""
        return self._root.manager.getLogger(name)

    def _apply(self) -> None:
        if self.usual is not None and self._root.level != self._set_to:
            # Somebody has set another level meanwhile, which holds.
            self.usual = None
        usual = self._root.level if self.usual is None else self.usual
        lowest = min([usual, *+self._wanted])
        if lowest == self._root.level:
            return
        if lowest == usual:
            self.usual = None
            self._root.setLevel(usual)
        elif self._is_filtered():
            self.usual, self._set_to = usual, lowest
            self._root.setLevel(lowest)

    def _is_filtered(self) -> bool:
        loggers = [each for each in tuple(self._root.manager.loggerDict.values()) if isinstance(each, logging.Logger)]
        handlers = [handler for each in loggers if self.governs(each) for handler in each.handlers]
        return bool(self._root.handlers) and all(
            isinstance(handler, logging.NullHandler)
            or any(isinstance(each, JobLevelFilter) for each in handler.filters)
            for handler in (*self._root.handlers, *handlers)
        )


ROOT_LEVEL: Final = RootLevel(logging.getLogger())
"""There is one root logger in a process, so there is one of these."""


class JobLevelFilter(logging.Filter):
    """Lets through what the level of the running job allows, and outside such jobs what would have come anyway.

    A worker lowers the level of the root logger, for as long as a job that asks for it runs, only where nothing can
    get past such a filter: it belongs on every handler.

    Args:
        root_level: of another tree of loggers, for tests.
    """

    def __init__(self, root_level: RootLevel = ROOT_LEVEL) -> None:
        super().__init__()
        self._root_level = root_level

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record may be written."""
        context = running_context()
        if context is not None and (level := level_of(context.item)) is not None:
            return record.levelno >= level
        usual = self._root_level.usual
        return (
            usual is None
            or record.levelno >= usual
            or not self._root_level.governs(self._root_level.logger(record.name))
        )
