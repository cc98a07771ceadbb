"""Advice is told once: a process that takes the place of another leaves out what that one has told."""

import logging
from collections.abc import Callable, Iterable

from sidelong.core.logs.message import Advice


class AdviceFilter(logging.Filter):
    """Drops advice that was told before.

    Args:
        told: of what kinds advice was told by the processes before this one.
        tell: called with all kinds that have been told, each time there is one more.
    """

    def __init__(self, told: Iterable[str], tell: Callable[[list[str]], None]) -> None:
        super().__init__()
        self._told = dict.fromkeys(told)
        self._tell = tell
        self._latest: logging.LogRecord | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record may be written; each handler may ask."""
        if not isinstance(record.msg, Advice) or record is self._latest:
            return True
        kind = str(record.msg.kind)
        if kind in self._told:
            return False
        self._latest = record
        self._told[kind] = None
        self._tell(list(self._told))
        return True
