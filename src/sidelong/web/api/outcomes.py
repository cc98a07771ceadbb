"""What actions have done, as the JSON API tells it."""

from msgspec import Struct

from sidelong.web.actions.outcome import ListOutcome
from sidelong.web.bounded import Counts


class ChosenOutcome(Struct, kw_only=True):
    """What became of the jobs that were named.

    Attributes:
        done: it was done to so many.
        gone: so many were no longer there: they have run, or another operator was faster.
        stopped: so many were stopped by a client middleware, and stay.
        failed: so many cannot be moved or found, and stay.
    """

    done: int
    gone: int
    stopped: int
    failed: int


class MatchingOutcome(ChosenOutcome, kw_only=True):
    """What became of the jobs that meet the conditions.

    Attributes:
        looked_at: how many jobs of the list were looked at.
        goes_on: what to send as `after` to go on, where a few seconds were not enough; null at the end.
    """

    looked_at: int
    goes_on: str | None


def chosen_outcome(outcome: ListOutcome) -> ChosenOutcome:
    """Return what became of jobs that were named."""
    counts = outcome.counts or Counts()
    return ChosenOutcome(done=counts.done, gone=counts.gone, stopped=counts.stopped, failed=counts.failed)


def matching_outcome(outcome: ListOutcome) -> MatchingOutcome:
    """Return what became of jobs that meet conditions."""
    counts = outcome.counts or Counts()
    return MatchingOutcome(
        done=counts.done,
        gone=counts.gone,
        stopped=counts.stopped,
        failed=counts.failed,
        looked_at=outcome.looked_at,
        goes_on=outcome.goes_on,
    )
