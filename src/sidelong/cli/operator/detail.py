"""`sidelong show`: all that is stored of one job."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sidelong.app import Sidelong
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.operator.job_view import arguments_text, plain
from sidelong.cli.operator.output import Output
from sidelong.cli.operator.places import Found
from sidelong.cli.operator.search import find_each
from sidelong.cli.operator.times import moment
from sidelong.core.counted import counted
from sidelong.core.display import escaped
from sidelong.core.spans import span

_OPTIONS: Final = (
    "retry",
    "retry_for",
    "retry_queue",
    "dead",
    "timeout",
    "backtrace",
    "locale",
    "encrypt",
    "expires_in",
)


@dataclass(frozen=True)
class ShowCommand:
    """What the command line asks for.

    Attributes:
        jid: which job.
        is_raw: print the stored bytes as they are, secrets included.
        as_json: whether a program reads it.
    """

    jid: str
    is_raw: bool
    as_json: bool

    async def __call__(self, app: Sidelong, output: Output) -> ExitStatus:
        """Print the job, or each job of this id."""
        finds = await find_each(app, [self.jid])
        found = finds.jobs[self.jid]
        if not found:
            return finds.tell_absent(self.jid)
        if self.is_raw:
            for each in found:
                output.raw(each.record.value)
        elif self.as_json:
            output.document([plain(each) | {"error_backtrace": each.record.error_backtrace} for each in found])
        else:
            self._print(found, output, app.store.clock.now())
        return ExitStatus.DONE

    def _print(self, found: list[Found], output: Output, now: float) -> None:
        for number, each in enumerate(found):
            if number:
                output.line()
            for label, text in _lines(each, now):
                output.line(f"{label:<12}{escaped(text)}")
            for frame in each.record.error_backtrace or ():
                output.line(f"    {escaped(frame)}")


def where_text(found: Found, now: float) -> str:
    """Return where a job is, in a few words."""
    place = found.place
    if place.kind == "scheduled":
        return f"scheduled, due {moment(found.score, now)}"
    if place.kind == "retry":
        return f"waits for another attempt, due {moment(found.score, now)}"
    if place.kind == "dead":
        return f"dead since {moment(found.score, now)}"
    if place.kind == "running":
        lasts = (
            "" if found.work is None or found.work.run_at is None else f" for {span(max(0.0, now - found.work.run_at))}"
        )
        return f"runs in {found.process}{lasts}"
    return f"waits in the queue {place.queue}"


def _lines(found: Found, now: float) -> Iterator[tuple[str, str]]:
    record = found.record
    if record.item is None:
        yield "invalid", record.fault or ""
        yield "stored", repr(record.value[:2000])[2:-1]
        return
    yield "jid", record.jid or "-"
    yield "class", record.display_class
    if record.job_class and record.job_class != record.display_class:
        yield "wrapped by", record.job_class
    if record.fault is not None:
        yield "invalid", record.fault
    yield "arguments", arguments_text(record) or "-"
    yield "where", where_text(found, now)
    yield "queue", record.queue or "-"
    if record.tags:
        yield "tags", ", ".join(record.tags)
    if record.bid is not None:
        yield "batch", record.bid
    yield "created", moment(record.created_at, now)
    if record.enqueued_at is not None:
        yield "enqueued", moment(record.enqueued_at, now)
    if found.work is not None:
        yield "started", moment(found.work.run_at, now)
    for name in _OPTIONS:
        if name in record:
            yield name.replace("_", " "), _option(record[name])
    if count := record.failures:
        first = "" if record.failed_at is None else f", first {moment(record.failed_at, now)}"
        yield "failed", f"{counted(count, 'time')}{first}"
        if record.retried_at is not None:
            yield "last failed", moment(record.retried_at, now)
    if record.error_class or record.error_message:
        yield "error", record.error_class or "-"
        yield "", record.error_message or "-"


def _option(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if type(value) is bool else str(value)
