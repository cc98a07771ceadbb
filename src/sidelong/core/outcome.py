"""How an execution ends: the values that are settled, and what a job raises to choose one."""

import math
from dataclasses import dataclass
from datetime import timedelta

from sidelong.core.display import shown


class Discard(Exception):  # noqa: N818 - a verb: what the job asks for
    """Raised by a job: drop it, do not retry; death handlers run."""


class Kill(Exception):  # noqa: N818 - a verb: what the job asks for
    """Raised by a job: move it to the dead set now, whatever retries are left."""


class RetryIn(Exception):  # noqa: N818 - a verb: what the job asks for
    """Raised by a job: this attempt failed; run it again after a delay of the job's own choice.

    Args:
        delay: seconds or a timedelta; no jitter is added.
        reason: what the retry set shows as the error message.

    Raises:
        ValueError: the delay is negative, not finite, or more than a float holds.
    """

    def __init__(self, delay: float | timedelta, reason: str = "retry requested by the job") -> None:
        super().__init__(reason)
        try:
            self.delay = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
        except OverflowError:
            self.delay = math.inf
        if not (math.isfinite(self.delay) and self.delay >= 0):
            raise ValueError(f"a retry delay must be a finite number of seconds from 0 up, not {shown(delay)}")


@dataclass(frozen=True, slots=True)
class Done:
    """The job returned."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The job failed and runs again in `delay` seconds, as `raw`."""

    raw: bytes
    delay: float


@dataclass(frozen=True, slots=True)
class Dead:
    """The job failed for good and is kept in the dead set as `raw`."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Dropped:
    """The job failed and is kept nowhere."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Somebody called the job off: it is kept nowhere, and is no failure."""


@dataclass(frozen=True, slots=True)
class Buried:
    """The payload could not be read as a job: its bytes go to the dead set and nothing is counted."""


@dataclass(frozen=True, slots=True)
class HandedBack:
    """The job was not finished: its bytes go back to the head of its queue and nothing is counted."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker no longer owns the job: nothing is written."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The payload got a jid of its own before its first run; the delivery goes on as `raw`."""

    raw: bytes


Outcome = Done | Retry | Dead | Dropped | Cancelled | Buried | HandedBack | Lost | Rewritten

DONE = Done()
DROPPED = Dropped()
CANCELLED = Cancelled()
BURIED = Buried()
HANDED_BACK = HandedBack()
LOST = Lost()
