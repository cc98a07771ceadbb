"""`sidelong why`: where a job is, what became of it so far, and what it waits for."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from sidelong.api import JobEvent, QueuedJob, Reason, Reasons, history_of
from sidelong.app import Sidelong
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.operator.detail import where_text
from sidelong.cli.operator.job_view import arguments_text
from sidelong.cli.operator.output import Output
from sidelong.cli.operator.places import Found
from sidelong.cli.operator.search import find_each
from sidelong.cli.operator.times import moment, utc
from sidelong.core.counted import counted
from sidelong.core.display import escaped, shown
from sidelong.core.spans import span


@dataclass(slots=True)
class Story:
    """What is known of one job.

    Attributes:
        events: what happened so far, the earliest first.
        reasons: why it does not run, or does not end.
        position: how many jobs of its queue are fetched before it.
        rate: how many jobs a second leave its queue; None if that was not to be seen.
        was_watched: whether somebody looked.
        has_left: whether it was fetched while its queue was watched.
    """

    events: list[JobEvent] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)
    position: int | None = None
    rate: float | None = None
    was_watched: bool = False
    has_left: bool = False

    @property
    def expected_wait(self) -> float | None:
        """Seconds until it is fetched, if the queue goes on as it did; None if nobody can tell."""
        return self.position / self.rate if self.position is not None and self.rate else None


@dataclass(frozen=True)
class WhyCommand:
    """What the command line asks for.

    Attributes:
        jid: which job.
        watch_for: seconds to watch the queue of a waiting job, to see how fast it moves.
        target: the app as it was named; None if it was not, and nothing is known of its jobs.
        as_json: whether a program reads it.
    """

    jid: str
    watch_for: float
    target: str | None
    as_json: bool

    async def __call__(self, app: Sidelong, output: Output) -> ExitStatus:
        """Print the story of the job, or of each job of this id."""
        finds = await find_each(app, [self.jid])
        found = finds.jobs[self.jid]
        if not found:
            return finds.tell_absent(self.jid)
        teller = _Teller(app, self.watch_for, await Reasons.of(app, self.target))
        stories = [(each, await teller.tell(each)) for each in found]
        now = app.store.clock.now()
        if self.as_json:
            output.document([_plain(each, story) for each, story in stories])
            return ExitStatus.DONE
        for number, (each, story) in enumerate(stories):
            if number:
                output.line()
            _print(each, story, output, now)
        return ExitStatus.DONE


class _Teller:
    """Finds out why a job is where it is."""

    def __init__(self, app: Sidelong, watch_for: float, reasons: Reasons) -> None:
        self._app = app
        self._watch_for = watch_for
        self._reasons = reasons

    async def tell(self, found: Found) -> Story:
        died_at = found.score if found.place.kind == "dead" else None
        story = Story(history_of(found.record, work=found.work, died_at=died_at))
        if found.place.kind == "running":
            is_owner_alive = found.held is None or found.held.is_owner_alive
            story.reasons += self._reasons.running(
                found.process, is_told=found.work is not None, is_owner_alive=is_owner_alive
            )
        elif found.place.kind == "dead":
            story.reasons += self._reasons.dead()
        elif found.place.kind == "queue":
            story.reasons += await self._reasons.queued(found.record)
            await self._watch(found, story)
        else:
            story.reasons += await self._reasons.timed(found.record, found.score)
        return story

    async def _watch(self, found: Found, story: Story) -> None:
        """See where in its queue it stands, and how fast that changes."""
        assert isinstance(found.record, QueuedJob)
        clock = self._app.store.clock
        first, began = await found.record.position(), clock.monotonic()
        story.position = first
        if first is None:
            story.has_left = True
        elif self._watch_for:
            await asyncio.sleep(self._watch_for)
            story.was_watched = True
            story.position = await found.record.position()
            story.has_left = story.position is None
            if story.position is not None and story.position < first:
                story.rate = (first - story.position) / (clock.monotonic() - began)


def _print(found: Found, story: Story, output: Output, now: float) -> None:
    record = found.record
    output.heading(f"{shown(record.jid)} {shown(record.display_class)}({shown(arguments_text(record))})")
    is_of_state = found.place.kind in ("scheduled", "dead")
    output.line(f"It {'is ' if is_of_state else ''}{escaped(where_text(found, now))}.")
    if story.has_left:
        output.line("It was fetched this moment.")
    elif story.position is not None:
        output.line(f"{_ahead(story.position)}; expected wait: {_wait(story)}.")
    for number, reason in enumerate(story.reasons):
        output.line(f"{'     ' if number else 'Why: '}{escaped(reason.text)}")
    if not story.reasons and found.place.kind == "queue":
        output.line("Nothing is known that holds it up.")
    output.line()
    for event in story.events:
        when = moment(event.at, now) if event.at is not None else ""
        output.line(f"  {when:<36}  {escaped(event.text)}")


def _ahead(position: int) -> str:
    if not position:
        return "It is fetched next"
    return f"{counted(position, 'job')} {'is' if position == 1 else 'are'} fetched before it"


def _wait(story: Story) -> str:
    if story.expected_wait is not None:
        return f"{span(story.expected_wait)}, at {story.rate:,.1f} jobs per second"
    return "unknown, as nothing leaves the queue" if story.was_watched else "unknown, the queue was not watched"


def _plain(found: Found, story: Story) -> dict[str, Any]:
    record = found.record
    return {
        "jid": record.jid,
        "class": record.job_class,
        "queue": record.queue,
        "place": found.place.kind,
        "process": found.process,
        "running_since": None if found.work is None else utc(found.work.run_at),
        "next_run_at": utc(found.score) if found.place.kind in ("scheduled", "retry") else None,
        "attempts": record.failures,
        "events": [{"at": utc(event.at), "event": event.text} for event in story.events],
        "position": story.position,
        "jobs_per_second": story.rate,
        "expected_wait": story.expected_wait,
        "reasons": [reason.text for reason in story.reasons],
    }
