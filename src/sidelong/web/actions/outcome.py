"""What an action on the jobs of a list has done."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sidelong.api.bulk import BulkOutcome, Progress
from sidelong.api.marks import MarkError
from sidelong.web.bounded import STEP_WITHIN, Counts, in_steps
from sidelong.web.visit import bad_request


@dataclass(slots=True)
class ListOutcome:
    """How far an action on a list came.

    Attributes:
        counts: what became of the jobs; None while that is not known.
        looked_at: how many jobs of the list it has looked at, where it was about all that match.
        goes_on: where to go on with them, if time was up before their end.
    """

    counts: Counts | None = None
    looked_at: int = 0
    goes_on: str | None = None

    async def take(
        self, act: Callable[[Progress, float], Awaitable[BulkOutcome]], *, step_within: float = STEP_WITHIN
    ) -> None:
        """Let an action run in steps, and take note of what it does.

        Args:
            act: as for `in_steps`.
            step_within: seconds that a step may take.

        Raises:
            HTTPException: 400 if it is to go on where no list can be gone on with.
            StoreError, TimeoutError: as `in_steps`.
        """

        async def run(progress: Progress, within: float) -> BulkOutcome:
            def note(looked_at: int, total: int) -> None:
                self.looked_at = looked_at
                progress(looked_at, total)

            return await act(note, within)

        try:
            outcome = await in_steps(run, step_within=step_within)
        except MarkError:
            bad_request()
        self.counts = Counts(outcome.done, outcome.gone, outcome.stopped, outcome.failed + outcome.skipped)
        self.goes_on = outcome.goes_on

    @property
    def summary(self) -> str:
        """What the audit log says."""
        if self.counts is None:
            return f"{self.looked_at} looked at"
        return self.counts.summary + (f", {self.looked_at} looked at, not all yet" if self.goes_on else "")
