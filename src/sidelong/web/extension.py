"""What others add to the pages: tabs with pages of their own, and rows of the page of a job."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from sidelong.errors import ConfigurationError
from sidelong.web.api.endpoint import Endpoint
from sidelong.web.job_rows import JobRows
from sidelong.web.routes import Route, View
from sidelong.web.security.headers import PAGE
from sidelong.web.visit import Visit

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")


@dataclass(frozen=True, kw_only=True)
class Extension:
    """One addition to the pages, given to `dashboard(extensions=[...])`.

    Its pages pass whatever the others pass: credentials, hosts, origins, limits and `authorize`, which is asked to
    `view` the extension by its name. Where the dashboard is read-only, nothing that is sent reaches them.

    Attributes:
        name: small letters, digits and hyphens; its pages lie below `/<name>`.
        title: what the tab is called that leads to `/<name>`; without one there is no tab.
        routes: its pages, with paths below `/<name>`, such as `/` and `/{limit}`.
        endpoints: what it adds to the JSON API, with paths below `/api/<name>`: each is described by OpenAPI as it is
            declared, and called `<name>_` and its own name there.
        job_rows: returns, for a job, what its page shows beside what every job has.
        templates: a directory of Jinja templates; `page.html` in it is `<name>/page.html`, and extends `base.html`.
    """

    name: str
    title: str = ""
    routes: Sequence[Route] = ()
    endpoints: Sequence[Endpoint] = ()
    job_rows: JobRows | None = None
    templates: str | Path | None = None

    def mounted(self) -> list[Route]:
        """Return its routes as they lie among the others."""
        pages = [
            replace(route, path=f"/{self.name}{route.path.rstrip('/')}", target=route.target or self.name)
            for route in self.routes
        ]
        return [
            replace(route, view=_guarded(route.view, is_acting=route.method != "GET"))
            for route in [*pages, *(each.route for each in self.described())]
        ]

    def described(self) -> list[Endpoint]:
        """Return its endpoints as they stand among the others."""
        return [
            replace(
                each,
                path=f"/{self.name}{each.path.rstrip('/')}",
                target=each.target or self.name,
                name=f"{self.name.replace('-', '_')}_{each.name}",
            )
            for each in self.endpoints
        ]


def check_extensions(
    extensions: Iterable[Extension], taken: Iterable[str], taken_by_api: Iterable[str]
) -> list[Extension]:
    """Return the extensions, which can stand beside each other and beside what there is.

    Args:
        extensions: what was given.
        taken: the first parts of the paths that there are.
        taken_by_api: those below `/api`.

    Raises:
        ConfigurationError: one of them cannot work.
    """
    names, names_of_api, checked = set(taken), set(taken_by_api), []
    for extension in extensions:
        if not isinstance(extension, Extension):
            raise ConfigurationError(f"extensions must be of sidelong.web.Extension, not {extension!r}")
        name = extension.name
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"the name of an extension must be small letters, digits and hyphens, not {name!r}"
            )
        if name in names:
            raise ConfigurationError(f"there are pages below /{name} already")
        if extension.endpoints and name in names_of_api:
            raise ConfigurationError(f"there are addresses below /api/{name} already")
        if extension.title and not any(route.path in ("", "/") for route in extension.routes):
            raise ConfigurationError(f"extension {name} has a tab, and no page at / that it could lead to")
        names.add(name)
        checked.append(extension)
    return checked


def _guarded(view: View, *, is_acting: bool) -> View:
    """Return a view whose answers forbid the browser what those of all pages do, unless they say otherwise."""

    async def guarded(visit: Visit) -> Response:
        if is_acting and visit.site.read_only:
            visit.record("send", visit.place.path, "refused")
            raise HTTPException(403)
        response = await view(visit)
        for name, value in PAGE.items():
            response.headers.setdefault(name, value)
        return response

    return guarded
