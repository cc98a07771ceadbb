"""The ASGI application: what every request must pass before a view sees it, and how faults are told."""

import asyncio
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sidelong.api.stats import Stats
from sidelong.app import Sidelong
from sidelong.core.display import shown
from sidelong.errors import ConfigurationError, StoreError
from sidelong.web import pages, texts
from sidelong.web.api.problems import problem
from sidelong.web.api.table import ROUTES as API
from sidelong.web.extension import Extension, check_extensions
from sidelong.web.live import Live
from sidelong.web.places import Place, place_of
from sidelong.web.routes import WITHIN, Route, Routes
from sidelong.web.security import hosts
from sidelong.web.security.credentials import Auth, challenge_of, identify, is_answer
from sidelong.web.security.headers import PAGE
from sidelong.web.security.origins import SAFE_METHODS, is_origin, is_own
from sidelong.web.site import Authorize, DisplayArgs, Site
from sidelong.web.table import ROUTES
from sidelong.web.visit import Visit

logger = logging.getLogger("sidelong.web")

_LONGEST_QUERY: Final = 8_192
_FOR_PROGRAMS: Final = ("api", "prometheus", "scale")
"""The first parts of addresses that programs ask for; faults are no pages there."""


def dashboard(
    app: Sidelong,
    *,
    auth: Auth | None,
    authorize: Authorize | None = None,
    read_only: bool = False,
    title: str = "Sidelong",
    environment: str | None = None,
    app_url: str | None = None,
    allowed_hosts: Sequence[str] | None = None,
    allowed_origins: Sequence[str] = (),
    interval: float = 5.0,
    display_args: DisplayArgs | None = None,
    extensions: Sequence[Extension] = (),
    exporter: bool = False,
) -> "Dashboard":
    """Return the pages of an application as an ASGI app, to be mounted under any path or served by itself.

    They need Redis only: no worker, and none of the code of the jobs.

    Args:
        app: whose Redis is shown.
        auth: who asks: a `BasicAuth`, or any function of a `starlette.requests.Request`, plain or async, that returns
            the user, something false to refuse, or a response such as a redirect to a login page. None lets
            everybody in who can reach the port; that must be said.
        authorize: `can(request, action, target)`, plain or async, for roles. `action` is `view`, `retry`, `enqueue`,
            `kill`, `delete`, `edit`, `reschedule`, `clear`, `pause`, `unpause`, `cancel`, `quiet`, `stop` or `dump`;
            `target` is a page (such as `queues` or `retries`), `queues/<name>`, `busy` for running jobs, the name of
            an extension, or the identity of a process, `*` for all of them.
        read_only: allow nothing but looking.
        title: what the pages are called.
        environment: a word that stands beside the title, such as `staging`.
        app_url: where "back to the app" leads: a path, or an `http` address.
        allowed_hosts: the names, with or without a port, under which the pages may be asked for, `"*"` for all. By
            default all of them where credentials are asked, else only those of the loopback interface.
        allowed_origins: further origins, such as `https://admin.example.org`, whose pages may act: for proxies
            that change the `Host` header.
        interval: seconds between two looks at the figures that move, however many browsers are open.
        display_args: returns, for a `JobRecord`, its arguments as people may see them, or None for the usual way. What
            looks like a secret is hidden in either case, and all of them where it raises.
        extensions: further tabs, rows of the page of a job, and addresses of the JSON API.
        exporter: also answer `/prometheus` and `/scale`, as `features.prometheus.exporter` does, to whoever may
            `view` them. Needs the extra `metrics`.

    Raises:
        ConfigurationError: an argument cannot work.
    """
    if auth is not None and not callable(auth):
        raise ConfigurationError("auth must be BasicAuth, a function of the request, or None to let everybody in")
    if isinstance(allowed_hosts, str) or isinstance(allowed_origins, str):
        raise ConfigurationError("allowed_hosts and allowed_origins are lists of names, not a string")
    for name in allowed_hosts or ():
        if name != hosts.ANY and hosts.read_host(name) is None:
            raise ConfigurationError(f"allowed_hosts: {name!r} is no host name")
    for origin in allowed_origins:
        if not is_origin(origin):
            raise ConfigurationError(f"allowed_origins: {origin!r} is no origin, such as https://admin.example.org")
    if app_url is not None and not app_url.startswith(("/", "http://", "https://")):
        raise ConfigurationError("app_url must be a path, or begin with http:// or https://")
    if not 0.1 <= interval <= 3600:
        raise ConfigurationError("interval must be 0.1 to 3600 seconds")
    routes = [*ROUTES, *API, *(_exporter() if exporter else [])]
    taken = {*(route.path.split("/")[1] for route in routes), *_FOR_PROGRAMS}
    added = check_extensions(extensions, taken, {route.path.split("/")[2] for route in API})
    site = Site(
        app=app,
        live=Live(app, interval),
        auth=auth,
        authorize=authorize,
        read_only=read_only,
        title=title,
        environment=environment,
        app_url=app_url,
        allowed_hosts=allowed_hosts,
        allowed_origins=allowed_origins,
        display_args=display_args,
        tabs=[(each.name, each.title) for each in added if each.title],
        job_rows=[each.job_rows for each in added if each.job_rows is not None],
        endpoints=tuple(endpoint for each in added for endpoint in each.described()),
        templates=tuple((each.name, str(each.templates)) for each in added if each.templates is not None),
    )
    return Dashboard(site, Routes([*routes, *(route for each in added for route in each.mounted())]))


def _exporter() -> Sequence[Route]:
    # Late: it needs an extra that the pages do without.
    from sidelong.web.views import exporter

    return exporter.ROUTES


class Dashboard:
    """An ASGI app; made by `dashboard`.

    Args:
        site: what it was made with.
        routes: what it answers.
    """

    def __init__(self, site: Site, routes: Routes) -> None:
        self._site = site
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            place = place_of(scope)
            response = await self._answer(Request(scope, receive), place)
            await response(scope, receive, send)

    async def _answer(self, request: Request, place: Place) -> Response:
        try:
            return await self._checked(request, place)
        except HTTPException as fault:
            # Where nothing is told, starlette says what the status means.
            detail = "" if fault.detail == HTTPStatus(fault.status_code).phrase else fault.detail
            return self._fault(place, fault.status_code, fault.headers, detail)
        except (StoreError, TimeoutError) as error:
            logger.warning("Redis does not serve the pages: %s", shown(str(error) or "no answer in time"))
            return self._fault(place, 503, {"Retry-After": "5"}, str(error))
        except Exception:
            logger.exception("A page failed: %s", shown(place.path))
            return self._fault(place, 500)

    async def _checked(self, request: Request, place: Place) -> Response:
        site = self._site
        if not hosts.is_allowed(request, site.hosts) or len(request.scope["query_string"]) > _LONGEST_QUERY:
            raise HTTPException(400)
        user: Any = None
        if site.auth is not None:
            user = await identify(site.auth, request)
            if is_answer(user):
                answer: Response = user
                return answer
            if not user:
                raise HTTPException(401, headers=challenge_of(site.auth))
        found = self._routes.at(place.path)
        if not found:
            raise HTTPException(404)
        method = "GET" if request.method == "HEAD" else request.method
        if method not in found:
            allowed = [*found, *(["HEAD"] if "GET" in found else [])]
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})
        if request.method not in SAFE_METHODS and not is_own(request, site.allowed_origins):
            raise HTTPException(403)
        route, names = found[method]
        return await self._view(route, Visit(site, request, place, user, names))

    async def _view(self, route: Route, visit: Visit) -> Response:
        if route.target:
            await visit.require("view", route.target)
        if route.method == "POST":
            await self._see_redis()
            response = await route.view(visit)
            visit.site.live.forget()
            visit.site.tallies.forget()
            return response
        async with asyncio.timeout(route.within):
            return await route.view(visit)

    async def _see_redis(self) -> None:
        """See whether Redis answers, before an action that may not be cut short.

        Raises:
            TimeoutError: it does not, or is too slow.
            StoreError: it cannot be reached.
        """
        async with asyncio.timeout(WITHIN):
            await Stats(self._site.app).fetch(slow=False)

    def _fault(self, place: Place, status: int, headers: Any = None, detail: str = "") -> Response:
        if place.path.split("/")[1] in _FOR_PROGRAMS:
            return problem(status, detail or texts.fault(status), headers)
        html = pages.fault(self._site, place, status, detail)
        return Response(html, status, headers={**PAGE, **(headers or {})}, media_type="text/html")

    async def _live(self, receive: Receive, send: Send) -> None:
        """Answer a server that tells when it starts and stops: where nothing is around the pages, the app is theirs."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._site.app.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
