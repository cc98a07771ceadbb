"""The schedule, the retries and the dead jobs: three lists of one kind."""

from typing import Final

from starlette.responses import Response

from sidelong.api.entries import Entry
from sidelong.api.reasons import Reason, Reasons
from sidelong.web import texts
from sidelong.web.actions import entries
from sidelong.web.chosen import Chosen
from sidelong.web.job_page import JobPage, reasons_of
from sidelong.web.listing import ListQuery, find
from sidelong.web.places import write_segment
from sidelong.web.routes import View
from sidelong.web.row_keys import row_key
from sidelong.web.sections import Section
from sidelong.web.security.bodies import read_form
from sidelong.web.visit import Visit, not_found

_FIELDS: Final = ("class", "queue", "tag", "error")
"""What can be filtered by, beside text."""


def listing(section: Section) -> View:
    """Return the view of the list."""

    async def view(visit: Visit) -> Response:
        query = ListQuery.read(visit.query)
        found = await find(entries.source(visit, section, query), query)
        return await visit.page(
            "set.html",
            about=section,
            fields=_FIELDS,
            list=query,
            found=found,
            rows=[(row_key(entry), entry) for entry in found.jobs],
            actions=[action for action in section.actions if await visit.may(action, section.name)],
        )

    return view


def detail(section: Section) -> View:
    """Return the view of one entry."""

    async def view(visit: Visit) -> Response:
        key = visit.names["entry"]
        query = ListQuery.read(visit.query)
        entry = (await entries.look_for(visit, section, {key}, visit.hint, query)).get(key) or not_found()
        is_dead = not section.is_timetable
        page = JobPage(
            up=f"/{section.name}",
            up_name=texts.text(section.name),
            act_at=f"/{section.name}",
            key=key,
            actions=[action for action in section.actions if await visit.may(action, section.name)],
            reasons=await reasons_of(visit, lambda reasons: _reasons(reasons, entry, is_dead=is_dead)),
            when=(section.when, entry.score),
            died_at=entry.score if is_dead else None,
            edit_at=f"/{section.name}/{write_segment(key)}/edit" if await visit.may("edit", section.name) else None,
        )
        return await page.show(visit, entry)

    return view


async def _reasons(reasons: Reasons, entry: Entry, *, is_dead: bool) -> list[Reason]:
    return reasons.dead() if is_dead else await reasons.timed(entry, entry.score)


def acting(section: Section) -> View:
    """Return the view that acts on the entries which were chosen, or on all that match."""

    async def view(visit: Visit) -> Response:
        chosen = Chosen.read(await read_form(visit.request), section.actions)
        home = f"/{section.name}"
        await visit.require(chosen.action, section.name)
        if chosen.selection.is_empty:
            return visit.back(chosen.way_back, home, "nothing")
        if chosen.must_ask:
            return await chosen.ask(visit, await section.jobs(visit.site.app).size())
        outcome = await entries.act(visit, section, chosen.action, chosen.selection)
        return await chosen.answer(visit, outcome, home)

    return view
