"""One request on its way through the pages: who asks, for what, and what the answer is made of."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sidelong.api.records import JobRecord
from sidelong.errors import StoreError
from sidelong.web import audit, pages
from sidelong.web.job_rows import read_rows
from sidelong.web.listing import read_place
from sidelong.web.places import Place
from sidelong.web.security.bodies import Form, read_form
from sidelong.web.security.credentials import name_of
from sidelong.web.security.headers import PAGE
from sidelong.web.security.returns import safe_return
from sidelong.web.site import Site

_MOST_ROWS: Final = 50


class Summarized(Protocol):
    """What knows what became of an action."""

    @property
    def summary(self) -> str:
        """What the audit log says."""
        ...


@dataclass
class Visit:
    """A request that is known to come from somebody who may look.

    Attributes:
        site: what the dashboard was made with.
        request: the request.
        place: where it goes.
        user: what `auth` said of who asks.
        names: the names in the path, decoded.
    """

    site: Site
    request: Request
    place: Place
    user: Any = None
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def query(self) -> dict[str, str]:
        """The query; of a name that is repeated, the last value."""
        return dict(self.request.query_params)

    @property
    def hint(self) -> int:
        """Where in its list a job stood, as the link to it says."""
        return read_place(self.query.get("at"))

    async def form(self) -> Form:
        """Return the fields of the form that was sent, each with its values.

        Raises:
            HTTPException: it is none, too large, or comes too slowly.
        """
        return await read_form(self.request)

    async def may(self, action: str, target: str = "") -> bool:
        """Tell whether whoever asks may do something."""
        return await self.site.allows(self.request, action, target)

    async def require(self, action: str, target: str = "") -> None:
        """Go on only if whoever asks may do this.

        Raises:
            HTTPException: 403; it stands in the audit log.
        """
        if not await self.may(action, target):
            self.record(action, target, "refused")
            raise HTTPException(403)

    def record(self, action: str, target: str, outcome: str) -> None:
        """Write a line of the audit log."""
        client = self.request.client
        who = name_of(self.user) if self.site.auth is not None else "(nobody asked)"
        audit.record(who, action, target, outcome, client.host if client else "")

    @contextmanager
    def recording(self, action: str, target: str, done: Summarized) -> Iterator[None]:
        """Write a line of the audit log at the end, also where Redis fails in between; then the error says it too.

        Args:
            action: what is done.
            target: to what.
            done: knows at the end what became of it.

        Raises:
            StoreError: what came out of the block, with what was done before.
        """
        try:
            yield
        except (StoreError, TimeoutError) as error:
            self.record(action, target, f"{done.summary}, then: {error or 'no answer in time'}")
            raise StoreError(f"{error or 'no answer in time'} ({done.summary})") from error
        self.record(action, target, done.summary)

    async def rows_of(self, job: JobRecord) -> list[tuple[str, str, str]]:
        """Return what extensions show of a job: label, text, and the address that it leads to, or nothing."""
        rows = await read_rows(self.site.job_rows, job)
        return [(str(row.label), str(row.text), row.address(self.place)) for row in rows[:_MOST_ROWS]]

    async def page(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a page, with the figures that stand on every page."""
        figures = await self.site.live.figures()
        html = pages.render(template, self.site, self.place, query=self.query, figures=figures, **values)
        return HTMLResponse(html, status, headers=PAGE)

    def back(self, given: str, otherwise: str, said: str = "") -> Response:
        """Return the answer to an action: go back to a page, which says what was done.

        Args:
            given: where the form wants to go.
            otherwise: where to go if that is no page of ours.
            said: a message as `pages.said` reads it.
        """
        path = safe_return(given, otherwise)
        if said:
            bare, _, query = path.partition("?")
            kept = [part for part in query.split("&") if part and not part.startswith("said=")]
            path = f"{bare}?{'&'.join([*kept, f'said={said}'])}"
        return RedirectResponse(self.place.url("") + path, 303, headers=PAGE)

    def back_url(self, given: str, otherwise: str = "/") -> str:
        """Return the address that a form would lead back to."""
        return self.place.url("") + safe_return(given, otherwise)


def bad_request() -> NoReturn:
    """Answer that the request asks for nothing that there is."""
    raise HTTPException(400)


def not_found() -> NoReturn:
    """Answer that there is no such thing."""
    raise HTTPException(404)
