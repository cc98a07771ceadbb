"""What one dashboard was made with."""

import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from sidelong.api.display import without_secrets
from sidelong.api.records import JobRecord
from sidelong.app import Sidelong
from sidelong.core.display import shown
from sidelong.core.redaction import HIDDEN
from sidelong.web.job_rows import JobRows
from sidelong.web.live import Live
from sidelong.web.security import hosts
from sidelong.web.security.credentials import Auth
from sidelong.web.tallies import Tallies

Authorize = Callable[[Request, str, str], bool | Awaitable[bool]]
"""`can(request, action, target)`: `view` a page, or do one of `web.actions` to a queue, a set or a process."""
DisplayArgs = Callable[[JobRecord], Sequence[Any] | None]
"""Returns the arguments of a job as people may see them; None to show them as they are shown otherwise."""

logger = logging.getLogger("sidelong.web")


@dataclass(frozen=True)
class Site:
    """The arguments of `dashboard`, and what all its requests share.

    Attributes:
        app: whose Redis is shown.
        live: the figures that move.
        auth: who asks; None lets everybody in.
        authorize: who may do what; None allows all.
        read_only: allow nothing but looking.
        title: what the pages are called.
        environment: a word beside the title, such as `staging`.
        app_url: where "back to the app" leads.
        allowed_hosts: names under which the pages may be asked for; None to choose by `auth`.
        allowed_origins: further origins whose pages may act.
        display_args: how arguments are shown; None for the usual way.
        tabs: names and titles of the tabs that extensions bring.
        job_rows: return what the page of a job shows beside what every job has.
        endpoints: what extensions add to the JSON API, as `web.api.endpoint` has it.
        templates: by name of an extension, the directory of its templates.
        tallies: what was counted of sets so far.
    """

    app: Sidelong
    live: Live
    auth: Auth | None
    authorize: Authorize | None = None
    read_only: bool = False
    title: str = "Sidelong"
    environment: str | None = None
    app_url: str | None = None
    allowed_hosts: Sequence[str] | None = None
    allowed_origins: Sequence[str] = field(default=())
    display_args: DisplayArgs | None = None
    tabs: Sequence[tuple[str, str]] = ()
    job_rows: Sequence[JobRows] = ()
    endpoints: tuple[Any, ...] = ()
    templates: tuple[tuple[str, str], ...] = ()
    tallies: Tallies = field(default_factory=Tallies)

    @property
    def hosts(self) -> Sequence[str]:
        """The names under which the pages may be asked for.

        Where no credentials are asked, a page elsewhere whose name leads here could read all (DNS rebinding): then
        only loopback names are. Credentials are never sent to another name.
        """
        if self.allowed_hosts is not None:
            return self.allowed_hosts
        return hosts.LOOPBACK if self.auth is None else (hosts.ANY,)

    async def allows(self, request: Request, action: str, target: str) -> bool:
        """Tell whether whoever asks may do something."""
        if self.read_only and action != "view":
            return False
        if self.authorize is None:
            return True
        answer: Any = self.authorize(request, action, target)
        return bool(await answer if inspect.isawaitable(answer) else answer)

    def arguments_of(self, job: JobRecord) -> list[Any]:
        """Return the arguments of a job as people may see them: never with what looks like a secret."""
        given = self._displayed(job)
        return job.display_args if given is None else given

    def hides_arguments_of(self, job: JobRecord) -> bool:
        """Tell whether arguments are shown in a way of the site's own: what they are is not to be seen then."""
        return self._displayed(job) is not None

    def _displayed(self, job: JobRecord) -> list[Any] | None:
        # What is no job has no arguments that a function could know.
        if self.display_args is None or job.item is None:
            return None
        try:
            given = self.display_args(job)
            return None if given is None else [without_secrets(argument) for argument in given]
        except Exception as error:
            # It may be there to hide what the usual way would show.
            logger.warning("display_args failed: %s", shown(f"{type(error).__name__}: {error}"))
            return [HIDDEN]
