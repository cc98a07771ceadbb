"""What a test expects to have been enqueued."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, Self, cast

from sidelong.client.registry import AnyJob, Registry
from sidelong.client.schedule import instant
from sidelong.testing.enqueued import EnqueuedJob, Target, job_meant, name_of
from sidelong.testing.listing import time_text

FORGIVEN: Final = 1.0
"""Seconds by which a time may differ from the one that is meant: a test takes a while itself."""


class Anything(Enum):
    """Stands for whatever is not compared."""

    ANY = "anything"

    def __repr__(self) -> str:
        return "ANY"


ANY: Final = Anything.ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A job that should have been enqueued.

    Attributes:
        name: its wire name.
        job: the job; None if nothing is known of it but its name.
        args: its arguments as JSON carries them.
        at: the time it is for; None for at once.
        queue: its queue; None for any.
    """

    name: str
    job: AnyJob | None
    args: list[Any] | Anything
    at: float | datetime | timedelta | Anything | None
    queue: str | None

    @classmethod
    def of(
        cls,
        target: Target,
        registry: Registry,
        *,
        args: Sequence[Any] | Anything,
        at: float | datetime | timedelta | Anything | None,
        queue: str | None,
    ) -> Self:
        """Return what is expected; see `Jobs.assert_enqueued`.

        Raises:
            TypeError: the arguments do not fit the job's signature, or are no list or tuple; `at` is no time.
            ValueError: `at` cannot be a time.
        """
        job = job_meant(target, registry)
        if args is not ANY:
            if not isinstance(args, list | tuple):
                raise TypeError(f"the arguments must be a list or tuple, as in [{args!r}]")
            args = list(args) if job is None else job.bind(args)
        if at is not None and at is not ANY and not isinstance(at, timedelta):
            at = instant(at)
        return cls(name=name_of(target, registry), job=job, args=args, at=at, queue=queue)

    def is_met_by(self, enqueued: EnqueuedJob, name: str) -> bool:
        """Tell whether a job is what is expected.

        Args:
            enqueued: the job.
            name: its wire name; an alias is that of its job.
        """
        return (
            name == self.name
            and self.queue in (None, enqueued.queue)
            and (self.args is ANY or self._are_its(enqueued.args))
            and (self.at is ANY or self._is_time_of(enqueued))
        )

    def _are_its(self, args: list[Any]) -> bool:
        if args == self.args:
            return True
        if self.job is None:
            return False
        try:
            # The elements of a set have no order, but their JSON has.
            return bool(self.job.convert(args) == self.job.convert(cast("list[Any]", self.args)))
        except Exception:
            return False

    def _is_time_of(self, enqueued: EnqueuedJob) -> bool:
        if self.at is None or enqueued.at is None:
            return self.at is enqueued.at
        if isinstance(self.at, timedelta):
            return abs(enqueued.at - (enqueued.created_at or 0.0) - self.at.total_seconds()) <= FORGIVEN
        return abs(enqueued.at - cast(float, self.at)) <= FORGIVEN

    def __str__(self) -> str:
        text = self.name
        if self.args is not ANY:
            text += f" with {self.args!r}"
        if self.queue is not None:
            text += f" to {self.queue}"
        if self.at is None:
            text += " for at once"
        elif isinstance(self.at, timedelta):
            text += f" for {self.at.total_seconds():g} s later"
        elif self.at is not ANY:
            text += f" for {time_text(cast(float, self.at))}"
        return text
