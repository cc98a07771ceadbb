"""Retries and dead jobs by class and error, to be dealt with a group at a time."""

from typing import Final

from starlette.responses import Response

from sidelong.api.groups import JobGroup
from sidelong.web import sections
from sidelong.web.routes import View
from sidelong.web.sections import Section
from sidelong.web.visit import Visit

_MOST: Final = 200
_LONGEST: Final = 500
"""Characters of a name that a form can bring back."""


SECTIONS: Final = tuple(section for section in sections.SECTIONS if section.has_errors)
"""The lists that can be seen by groups."""


def groups(section: Section) -> View:
    """Return the view of the groups."""

    async def view(visit: Visit) -> Response:
        if "anew" in visit.query:
            visit.site.tallies.forget()
        found = await visit.site.tallies.groups(section.jobs(visit.site.app))
        return await visit.page(
            "groups.html",
            about=section,
            found=found,
            rows=[(group, _is_nameable(group)) for group in found.groups[:_MOST]],
            others=found.others + sum(group.count for group in found.groups[_MOST:]),
            actions=[action for action in section.actions if await visit.may(action, section.name)],
        )

    return view


def _is_nameable(group: JobGroup) -> bool:
    return max(len(group.display_class), len(group.error_class)) <= _LONGEST
