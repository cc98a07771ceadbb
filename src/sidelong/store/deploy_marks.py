"""What was deployed when, as Sidekiq's Metrics page shows it (wire-format §11.3)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sidelong.errors import Refused
from sidelong.store import keys, names
from sidelong.store.answers import ask_all
from sidelong.store.link import Link
from sidelong.store.metric_names import MINUTE, start_of
from sidelong.store.scripts import Scripts

_LOCK_TTL: Final = 60


class DeployMarks:
    """The marks of one Redis."""

    def __init__(self, link: Link, scripts: Scripts) -> None:
        self._link = link
        self._scripts = scripts

    async def add(self, label: bytes, at: datetime) -> bool:
        """Mark a deploy; False if there is a mark in this minute, or one with this label was made a moment ago."""
        minute = start_of(at, MINUTE)
        lock = names.written(keys.deploy_lock(names.read_name(label)))
        words = (minute.strftime("%Y-%m-%dT%H:%M:%SZ"), label, _LOCK_TTL, keys.DEPLOYS_TTL)
        added: int = await self._scripts.deploy.run(self._link, (lock, keys.deploys(minute)), words)
        return added == 1

    async def of(self, days: Sequence[datetime]) -> tuple[list[tuple[bytes, bytes]], list[str]]:
        """Return the marks of some days, minute and label, and what Redis said about days that cannot be read."""
        answers: list[Any] = await ask_all(self._link, [("HGETALL", keys.deploys(day)) for day in days])
        found: list[tuple[bytes, bytes]] = []
        for answer in answers:
            if not isinstance(answer, Refused):
                found += zip(answer[::2], answer[1::2], strict=False)
        return found, [str(answer) for answer in answers if isinstance(answer, Refused)]
