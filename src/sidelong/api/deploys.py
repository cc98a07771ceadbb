"""Deploy marks: what was deployed when, to be seen beside the metrics of jobs."""

import asyncio
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sidelong.api.instants import read_instant
from sidelong.app import Sidelong
from sidelong.core.display import shown
from sidelong.store.deploy_marks import DeployMarks

_MOST_DAYS: Final = 90
_LONGEST_LABEL: Final = 200
_GIT_WITHIN: Final = 5.0


@dataclass(frozen=True, slots=True)
class Deploy:
    """One mark.

    Attributes:
        at: the minute, in UTC.
        label: what was deployed.
    """

    at: datetime
    label: str


class Deploys:
    """The deploy marks of one Redis, which Sidekiq's Metrics page shows as well.

    Every method that awaits raises `StoreError` where Redis cannot be reached or refuses.

    Args:
        app: whose Redis it is.
    """

    def __init__(self, app: Sidelong) -> None:
        self.app = app

    async def mark(self, label: str | None = None, *, at: datetime | None = None) -> bool:
        """Mark a deploy; the mark is kept for 90 days.

        Of two in one minute the first stays, and a label is marked once a minute: each server of a fleet may mark the
        same deploy. Marking again after an error is safe.

        Redis: a script (SET NX, HSETNX, EXPIRE), O(1).

        Args:
            label: what was deployed, cut to 200 characters; the last commit's hash and subject if not given.
            at: when, aware; now if not given.

        Returns:
            False if it was marked already.

        Raises:
            ValueError: the label is empty, none is given and there is no commit, or `at` is naive.
        """
        if label is None:
            label = await asyncio.to_thread(last_commit)
        label = " ".join(label.split())[:_LONGEST_LABEL]
        if not label:
            raise ValueError("a deploy needs a label")
        if at is not None and at.tzinfo is None:
            raise ValueError("the time of a deploy needs a time zone")
        return await self._marks.add(label.encode("utf-8", "replace"), at or self._now())

    async def list(self, *, hours: int | None = None) -> list[Deploy]:
        """Return the marks of the last hours, the first one first; those of 90 days if not given.

        Redis: HGETALL for each day, one round trip, O(n).

        Raises:
            ValueError: `hours` is not a whole number from 1 to 2160.
        """
        if hours is not None and not (type(hours) is int and 1 <= hours <= 24 * _MOST_DAYS):
            raise ValueError(f"hours must be a whole number from 1 to {24 * _MOST_DAYS}, not {hours!r}")
        now = self._now()
        since = now - (timedelta(days=_MOST_DAYS) if hours is None else timedelta(hours=hours))
        days = [since + timedelta(days=place) for place in range((now.date() - since.date()).days + 1)]
        found, _ = await self._marks.of(days)
        deploys = [Deploy(when, shown(label)) for minute, label in found if (when := _moment(minute)) and when >= since]
        return sorted(deploys, key=lambda deploy: (deploy.at, deploy.label))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.app.store.clock.now(), UTC)

    @property
    def _marks(self) -> DeployMarks:
        return DeployMarks(self.app.store.admin, self.app.store.scripts)


def last_commit(directory: Path | None = None) -> str:
    """Return the short hash and the subject of the last commit of a git repository; it blocks while git runs.

    Args:
        directory: a directory in it; the current one if not given.

    Raises:
        ValueError: there is none, or no git.
    """
    try:
        done = subprocess.run(
            ["git", "log", "-1", "--format=%h %s"],  # noqa: S607 - the user's own git
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_WITHIN,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"git does not tell the last commit ({error}); give a label") from None
    label = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode != 0 or not label:
        raise ValueError("there is no commit here to take the label from; give one")
    return label


def _moment(minute: bytes) -> datetime | None:
    when = read_instant(minute.decode("utf-8", "replace"))
    return None if when is None else datetime.fromtimestamp(when, UTC)
