"""The schedule, the retries and the dead jobs in the JSON API."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta, Struct

from sidelong.api.groups import JobGroup
from sidelong.api.instants import as_date
from sidelong.api.reasons import Reasons
from sidelong.web.actions import entries
from sidelong.web.api.editing import Changed, Edit, Replacement, changed
from sidelong.web.api.endpoint import PREFIX, Endpoint, endpoint
from sidelong.web.api.jobs import TimedJobDetail, cut, detail_of, editable_arguments, timed_job_of
from sidelong.web.api.lists import TimedJobs, job_url, page_of
from sidelong.web.api.outcomes import ChosenOutcome, MatchingOutcome, chosen_outcome, matching_outcome
from sidelong.web.api.parameters import LONGEST_TEXT, Conditions, Keys, ListParameters, Matching, Standing
from sidelong.web.listing import find
from sidelong.web.places import write_segment
from sidelong.web.row_keys import row_key
from sidelong.web.sections import SECTIONS, Section
from sidelong.web.visit import Visit, not_found

_SAID: Final = {
    "enqueue": "Let jobs run now",
    "retry": "Let jobs run now, by an attempt that does not count",
    "kill": "Move jobs to the dead ones",
    "delete": "Delete jobs",
}
_LISTS: Final = {
    "scheduled": "List the jobs that were enqueued for later, the next one first.",
    "retries": "List the jobs that will be tried again, the next one first.",
    "dead": "List the dead jobs, the one that died last first.",
}


_MOST_GROUPS: Final = 200


class Group(Struct, kw_only=True):
    """Jobs of one class that failed with errors of one class.

    Attributes:
        filter: the conditions that they meet, and no others; null where a name is too long for that.
        count: how many there are among those that were looked at.
        message: what the last error of one of them said.
        earliest: the earliest of their times.
        latest: the latest of their times.
    """

    filter: Conditions | None
    count: int
    message: str
    earliest: datetime | None
    latest: datetime | None


class GroupList(Struct, kw_only=True):
    """Jobs by class and error, as far as they were looked at; asking again goes on.

    Attributes:
        groups: the largest first; 200 at most.
        others: how many jobs belong to none of these.
        looked_at: how many jobs were looked at so far.
        total: how many there are, about.
        is_complete: whether all were looked at.
    """

    groups: list[Group]
    others: int
    looked_at: int
    total: int
    is_complete: bool


class NewTime(Struct, kw_only=True, forbid_unknown_fields=True):
    """When a job is to run.

    Attributes:
        at: the time, with a zone.
    """

    at: Annotated[datetime, Meta(tz=True)]


def endpoints() -> Iterator[Endpoint]:
    """Return the addresses of the three sets."""
    for section in SECTIONS:
        yield from _reading(section)
        for action in section.actions:
            yield from _acting(section, action)
        yield from _changing(section)


def _reading(section: Section) -> Iterator[Endpoint]:
    path = f"{PREFIX}/{section.name}"

    async def listing(visit: Visit, query: ListParameters) -> TimedJobs:
        wanted = query.list_query
        found = await find(entries.source(visit, section, wanted), wanted)
        keys = [row_key(entry) for entry in found.jobs]
        urls = [
            job_url(visit, f"{path}/{write_segment(key)}", wanted, place)
            for key, place in zip(keys, found.places, strict=True)
        ]
        jobs = [timed_job_of(visit, *each) for each in zip(found.jobs, keys, urls, strict=True)]
        return TimedJobs(**page_of(visit, wanted, found, path), jobs=jobs)

    async def detail(visit: Visit, query: Standing) -> TimedJobDetail:
        key = visit.names["entry"]
        found = await entries.look_for(visit, section, {key}, query.at, query.list_query)
        entry = found.get(key) or not_found()
        url = job_url(visit, f"{path}/{write_segment(key)}", query.list_query, query.at)
        reasons = await Reasons.of(visit.site.app)
        told = await reasons.timed(entry, entry.score) if section.is_timetable else reasons.dead()
        died_at = None if section.is_timetable else entry.score
        return TimedJobDetail(
            job=timed_job_of(visit, entry, key, url, is_whole=True),
            edit_args=editable_arguments(visit, entry),
            **await detail_of(visit, entry, told, died_at=died_at),
        )

    async def groups(visit: Visit) -> GroupList:
        found = await visit.site.tallies.groups(section.jobs(visit.site.app))
        return GroupList(
            groups=[_group(group) for group in found.groups[:_MOST_GROUPS]],
            others=found.others + sum(group.count for group in found.groups[_MOST_GROUPS:]),
            looked_at=found.looked_at,
            total=found.total,
            is_complete=found.is_complete,
        )

    name = section.name
    if section.has_errors:
        about = "Count the jobs by class and error, for a moment each time."
        yield endpoint("GET", f"/{name}/groups", name, groups, name=f"get_{name}_groups", summary=about)
    yield endpoint("GET", f"/{name}", name, listing, name=f"list_{name}", summary=_LISTS[name])
    yield endpoint(
        "GET",
        f"/{name}/{{entry}}",
        name,
        detail,
        name=f"get_{name}_entry",
        summary="Tell all of one job.",
        faults=[404],
    )


def _group(group: JobGroup) -> Group:
    is_nameable = max(len(group.display_class), len(group.error_class)) <= LONGEST_TEXT
    return Group(
        filter=Conditions(job=group.display_class, error=group.error_class) if is_nameable else None,
        count=group.count,
        message=cut(group.message),
        earliest=as_date(group.earliest),
        latest=as_date(group.latest),
    )


def _acting(section: Section, action: str) -> Iterator[Endpoint]:
    async def chosen(visit: Visit, body: Keys) -> ChosenOutcome:
        return chosen_outcome(await entries.act(visit, section, action, body.selection))

    async def matching(visit: Visit, body: Matching) -> MatchingOutcome:
        return matching_outcome(await entries.act(visit, section, action, body.selection))

    name, said = section.name, _SAID[action]
    yield endpoint(
        "POST", f"/{name}/{action}", name, chosen, name=f"{action}_{name}", summary=f"{said}, by their keys."
    )
    yield endpoint(
        "POST",
        f"/{name}/{action}-all",
        name,
        matching,
        name=f"{action}_all_{name}",
        summary=f"{said}: all that meet some conditions, for a few seconds at most.",
    )


def _changing(section: Section) -> Iterator[Endpoint]:
    async def reschedule(visit: Visit, query: Standing, body: NewTime) -> Changed:
        return await changed(entries.reschedule(visit, section, visit.names["entry"], body.at))

    async def edit(visit: Visit, query: Standing, body: Edit) -> Changed:
        return await changed(entries.edit(visit, section, visit.names["entry"], body.changes))

    async def replace(visit: Visit, query: Standing, body: Replacement) -> Changed:
        return await changed(entries.edit(visit, section, visit.names["entry"], item=body.item))

    name, path = section.name, f"/{section.name}/{{entry}}"
    if section.is_timetable:
        yield endpoint(
            "POST",
            f"{path}/reschedule",
            name,
            reschedule,
            name=f"reschedule_{name}_entry",
            summary="Give a job another time.",
            faults=[404, 409, 422],
        )
    yield endpoint(
        "POST",
        f"{path}/edit",
        name,
        edit,
        name=f"edit_{name}_entry",
        summary="Change a job and let it run now.",
        faults=[404, 409, 422],
    )
    yield endpoint(
        "POST",
        f"{path}/replace",
        name,
        replace,
        name=f"replace_{name}_entry",
        summary="Put another payload in the place of a job, and let it run now.",
        faults=[404, 409, 422],
    )
