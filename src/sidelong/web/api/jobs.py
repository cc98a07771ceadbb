"""Jobs as the JSON API tells of them."""

import json
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from sidelong.api.entries import Entry
from sidelong.api.history import history_of
from sidelong.api.instants import as_date
from sidelong.api.masking import mask_arguments
from sidelong.api.reasons import Reason
from sidelong.api.records import JobRecord
from sidelong.api.work import Work
from sidelong.core.display import escaped
from sidelong.web.redaction import LARGEST, listed_arguments, shown_payload
from sidelong.web.snippets import python_of
from sidelong.web.visit import Visit

_LONGEST: Final = 1_000
"""Characters of a text; that of a job can have millions."""
_LONGEST_IN_LIST: Final = 4_000
"""Characters of the arguments of a job in a list."""
_MOST_TAGS: Final = 100
_MOST_FRAMES: Final = 1_000
_RAW: Final = 2_048


class Job(Struct, kw_only=True, rename={"job_class": "class"}):
    """A job.

    Attributes:
        key: its name in its list: what actions take.
        url: where all of it is told.
        jid: its id; empty if it has none.
        queue: the queue that it is in, or goes to.
        job_class: the class, as a worker looks it up.
        display_class: the class, as people know it.
        args: its arguments, as people may see them; null where they are too long for a list.
        tags: its tags.
        bid: the id of its batch.
        created_at: when it was made.
        enqueued_at: when it was put into a queue last.
        failed_at: when it failed for the first time.
        retried_at: when it failed last, if more than once.
        retry_count: how often it was retried; null if it never failed.
        error_class: the class of its last error.
        error_message: what its last error said.
        fault: why no worker can run it; null for what is sound.
    """

    key: str
    url: str
    jid: str
    queue: str
    job_class: str
    display_class: str
    args: list[Any] | None
    tags: list[str]
    bid: str | None
    created_at: datetime | None
    enqueued_at: datetime | None
    failed_at: datetime | None
    retried_at: datetime | None
    retry_count: int | None
    error_class: str | None
    error_message: str | None
    fault: str | None


class TimedJob(Job, kw_only=True):
    """An entry of the schedule, the retries or the dead jobs.

    Attributes:
        at: when it is to run, or when it died; null for what no calendar has.
        score: the same in epoch seconds, exactly; null for an infinity.
    """

    at: datetime | None
    score: float | None


class Event(Struct, kw_only=True):
    """Something that has happened to a job.

    Attributes:
        at: when; null if nobody knows.
        kind: what, in a word.
        text: what, in words.
    """

    at: datetime | None
    kind: str
    text: str


class Explanation(Struct, kw_only=True):
    """Why a job does not run, or does not end.

    Attributes:
        kind: why, in a word.
        text: why, in words.
    """

    kind: str
    text: str


class Row(Struct, kw_only=True):
    """What an extension tells of a job.

    Attributes:
        label: what is told.
        text: what it is.
        url: where it leads; empty for nowhere.
    """

    label: str
    text: str
    url: str


class JobDetail(Struct, kw_only=True):
    """All that is known of a job.

    Attributes:
        payload: what is stored, without what looks like a secret; null for what is no job, and for more than 1 MB.
        raw: the begin of what is stored, where that is no job.
        error_backtrace: the frames of its last error, innermost first, a thousand at most.
        history: what has happened to it, the earliest first; of failures Sidekiq keeps the first and the last.
        reasons: why it does not run, or does not end.
        python: what enqueues it again in Python; null for what is no job, or too long.
        rows: what extensions tell of it.
    """

    payload: dict[str, Any] | None
    raw: str | None
    error_backtrace: list[str] | None
    history: list[Event]
    reasons: list[Explanation]
    python: str | None
    rows: list[Row]


class QueuedJobDetail(JobDetail, kw_only=True):
    """All that is known of a job that waits in a queue.

    Attributes:
        job: the job.
        edit_args: its arguments to be edited, with a mark in the place of each secret: a mark that comes back keeps
            its value. Null for what is no job, for more than 1 MB, and where arguments are shown in a way of the
            site's own.
        position: how many jobs are fetched before it; null if it has just left the queue.
    """

    job: Job
    edit_args: list[Any] | None
    position: int | None


class TimedJobDetail(JobDetail, kw_only=True):
    """All that is known of an entry of the schedule, the retries or the dead jobs.

    Attributes:
        job: the entry.
        edit_args: its arguments to be edited, with a mark in the place of each secret: a mark that comes back keeps
            its value. Null for what is no job, for more than 1 MB, and where arguments are shown in a way of the
            site's own.
    """

    job: TimedJob
    edit_args: list[Any] | None


def job_of(visit: Visit, record: JobRecord, key: str, url: str, *, is_whole: bool = False) -> Job:
    """Return what a list tells of a job.

    Args:
        visit: the request.
        record: the job.
        key: its name in its list.
        url: where all of it is told.
        is_whole: tell the arguments whatever their length.
    """
    return Job(**_fields(visit, record, key, url, is_whole=is_whole))


def timed_job_of(visit: Visit, entry: Entry, key: str, url: str, *, is_whole: bool = False) -> TimedJob:
    """Return what a list tells of an entry; see `job_of`."""
    score = entry.score if math.isfinite(entry.score) else None
    return TimedJob(**_fields(visit, entry, key, url, is_whole=is_whole), at=entry.at, score=score)


def editable_arguments(visit: Visit, job: JobRecord) -> list[Any] | None:
    """Return the arguments of a job with marks for its secrets; None where they are not to be seen."""
    if job.item is None or len(job.value) > LARGEST or visit.site.hides_arguments_of(job):
        return None
    masked: list[Any] = mask_arguments(job.item).value
    return masked


async def detail_of(
    visit: Visit,
    record: JobRecord,
    reasons: Sequence[Reason],
    *,
    work: Work | None = None,
    died_at: float | None = None,
) -> dict[str, Any]:
    """Return the fields of `JobDetail`.

    Args:
        visit: the request.
        record: the job.
        reasons: why it does not run, or does not end.
        work: what is known of it while it runs.
        died_at: when it died.
    """
    is_told = record.item is not None and len(record.value) <= LARGEST
    frames = record.error_backtrace
    return {
        "payload": shown_payload(visit.site, record) if is_told else None,
        # Of a job that is too long nobody knows what is secret in its begin.
        "raw": None if record.item is not None else escaped(record.value[:_RAW].decode("utf-8", "backslashreplace")),
        "error_backtrace": None if frames is None else [cut(frame) for frame in frames[:_MOST_FRAMES]],
        "history": [
            Event(at=as_date(event.at), kind=event.kind, text=cut(event.text))
            for event in history_of(record, work=work, died_at=died_at)
        ],
        "reasons": [Explanation(kind=reason.kind, text=cut(reason.text)) for reason in reasons],
        "python": python_of(visit.site, record),
        "rows": [Row(label=label, text=text, url=url) for label, text, url in await visit.rows_of(record)],
    }


def cut(text: str, most: int = _LONGEST) -> str:
    """Return a text of bounded length."""
    return text if len(text) <= most else f"{text[: most - 1]}\u2026"


def _fields(visit: Visit, record: JobRecord, key: str, url: str, *, is_whole: bool) -> dict[str, Any]:
    return {
        "key": key,
        "url": url,
        "jid": cut(record.jid),
        "queue": cut(record.queue),
        "job_class": cut(record.job_class),
        "display_class": cut(record.display_class),
        "args": _arguments(visit, record, is_whole=is_whole),
        "tags": [cut(tag) for tag in record.tags[:_MOST_TAGS]],
        "bid": None if record.bid is None else cut(record.bid),
        "created_at": as_date(record.created_at),
        "enqueued_at": as_date(record.enqueued_at),
        "failed_at": as_date(record.failed_at),
        "retried_at": as_date(record.retried_at),
        "retry_count": record.retry_count,
        "error_class": None if record.error_class is None else cut(record.error_class),
        "error_message": None if record.error_message is None else cut(record.error_message),
        "fault": None if record.fault is None else cut(record.fault),
    }


def _arguments(visit: Visit, record: JobRecord, *, is_whole: bool) -> list[Any] | None:
    if is_whole:
        return visit.site.arguments_of(record) if len(record.value) <= LARGEST else None
    arguments = listed_arguments(visit.site, record)
    is_short = len(record.value) <= _LONGEST_IN_LIST
    return arguments if is_short or len(json.dumps(arguments, default=str)) <= _LONGEST_IN_LIST else None
