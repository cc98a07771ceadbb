"""The schedule, the retries and the dead jobs: three lists of one kind, and what each page of them is about."""

from dataclasses import dataclass
from typing import Final

from sidelong.api.job_set import JobSet
from sidelong.api.sets import DeadSet, RetrySet, ScheduledSet


@dataclass(frozen=True, slots=True)
class Section:
    """One of the three.

    Attributes:
        name: of the page.
        jobs: the set.
        actions: what may be done to its entries.
        earliest_first: the usual order.
        orders: names of the usual order and of the other one.
        when: what the score means.
        has_errors: whether its jobs have failed.
    """

    name: str
    jobs: type[JobSet]
    actions: tuple[str, ...]
    earliest_first: bool
    orders: tuple[str, str]
    when: str
    has_errors: bool

    @property
    def is_timetable(self) -> bool:
        """Whether the score is a time to come, which can be changed."""
        return self.when != "died_at"


_DUE: Final = ("order_next_first", "order_next_last")
_DIED: Final = ("order_newest_first", "order_oldest_first")
SECTIONS: Final = (
    Section("scheduled", ScheduledSet, ("enqueue", "delete"), True, _DUE, "scheduled_for", False),
    Section("retries", RetrySet, ("retry", "kill", "delete"), True, _DUE, "next_retry", True),
    Section("dead", DeadSet, ("retry", "delete"), False, _DIED, "died_at", True),
)
