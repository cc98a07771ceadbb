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


class JobLevelFilter(logging.Filter):
    """Lets through what the level of the running job allows, and outside such jobs what would have come anyway.

    It belongs on every handler of the root logger: a worker lowers the level of that logger, for as long as a job
    that asks for it runs, only where nothing can get past such a filter.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record may be written."""
        context = running_context()
        if context is not None and (level := level_of(context.item)) is not None:
            return record.levelno >= level
        usual = ROOT_LEVEL.usual
        return usual is None or record.levelno >= usual or _has_own_level(record.name)


class RootLevel:
    """Lowers the level of the root logger while jobs run that want to log more.

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

    def _apply(self) -> None:
        if self.usual is not None and self._root.level != self._set_to:
            # Somebody has set another level meanwhile, which holds.
            self.usual = None
        usual = self._root.level if self.usual is None else self.usual
        lowest = min(+self._wanted, default=usual)
        if lowest == self._root.level:
            return
        if lowest >= usual:
            self.usual = None
            self._root.setLevel(usual)
        elif _is_filtered(self._root):
            self.usual, self._set_to = usual, lowest
            self._root.setLevel(lowest)


def _is_filtered(root: logging.Logger) -> bool:
    """Tell whether every handler that a lower level of the root logger would reach has the filter."""
    loggers = [each for each in tuple(root.manager.loggerDict.values()) if isinstance(each, logging.Logger)]
    handlers = [handler for each in loggers if not _has_own_level(each.name) for handler in each.handlers]
    return bool(root.handlers) and all(
        isinstance(handler, logging.NullHandler) or any(isinstance(each, JobLevelFilter) for each in handler.filters)
        for handler in (*root.handlers, *handlers)
    )


def _has_own_level(name: str) -> bool:
    """Tell whether the level of a logger was set on itself or above it, short of the root."""
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None and logger.parent is not None:
        if logger.level:
            return True
        logger = logger.parent
    return False


ROOT_LEVEL = RootLevel(logging.getLogger())
"""There is one root logger in a process, so there is one of these."""
