"""The page of one job, wherever it is."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from sidelong.api.history import history_of
from sidelong.api.reasons import Reason, Reasons
from sidelong.api.records import JobRecord
from sidelong.api.work import Work
from sidelong.errors import Refused
from sidelong.web.redaction import LARGEST, shown_context, shown_payload
from sidelong.web.snippets import python_of
from sidelong.web.visit import Visit


async def reasons_of(visit: Visit, ask: Callable[[Reasons], Awaitable[list[Reason]]]) -> list[Reason]:
    """Return why a job is where it is; none where Redis does not tell which processes there are.

    Args:
        visit: the request.
        ask: asks for the reasons.

    Raises:
        StoreError: Redis cannot be reached.
    """
    try:
        return await ask(await Reasons.of(visit.site.app))
    except Refused:
        return []


@dataclass(frozen=True, kw_only=True, slots=True)
class JobPage:
    """What a page shows beside the job itself.

    Attributes:
        up: the page of the list that holds it.
        up_name: what that is called.
        act_at: where its actions go.
        key: what names it there.
        actions: what may be done to it.
        reasons: why it does not run, or does not end.
        when: what its time means, and that time.
        died_at: when it died.
        position: how many jobs of its queue are fetched before it.
        work: what is known of it while it runs.
        edit_at: the page where it can be changed.
        edit_name: the text that leads there.
    """

    up: str
    up_name: str
    act_at: str
    key: str
    actions: Sequence[str]
    reasons: Sequence[Reason]
    when: tuple[str, float] | None = None
    died_at: float | None = None
    position: int | None = None
    work: Work | None = None
    edit_at: str | None = None
    edit_name: str = "edit"

    async def show(self, visit: Visit, job: JobRecord) -> Response:
        """Return the page."""
        is_shown = len(job.value) <= LARGEST
        payload = shown_payload(visit.site, job) if is_shown else None
        return await visit.page(
            "job.html",
            about=self,
            job=job,
            arguments=visit.site.arguments_of(job) if is_shown else None,
            context=shown_context(payload or {}),
            payload=payload,
            start=visit.hint,
            more=await visit.rows_of(job),
            history=history_of(job, work=self.work, died_at=self.died_at),
            snippet=python_of(visit.site, job),
            may_see_metrics=await visit.may("view", "metrics"),
        )
