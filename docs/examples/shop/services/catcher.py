"""The error catcher: notices of errors, alike ones together, and alerts for which a person is called."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from shop.pages import page


class Catcher:
    """Keeps what it is told."""

    name = "errors"

    def __init__(self) -> None:
        self.notices: list[dict[str, Any]] = []
        self.alerts: list[dict[str, Any]] = []

    @property
    def state(self) -> dict[str, Any]:
        """What the home page of the shop shows."""
        return {"title": "Error catcher", "notices": len(self.notices), "alerts": len(self.alerts)}

    @property
    def groups(self) -> list[dict[str, Any]]:
        """The notices, with alike ones of one order counted, the latest first."""
        groups: dict[tuple[Any, ...], dict[str, Any]] = {}
        for notice in self.notices:
            group = groups.setdefault(tuple(notice.get(name) for name in ("job", "error", "order")), {"times": 0})
            group.update(notice, times=group["times"] + 1)
        return list(reversed(groups.values()))

    def routes(self) -> Mount:
        """Return everything that can be asked of the catcher, under its name."""
        return Mount(
            f"/{self.name}",
            routes=[
                Route("/", self.show, methods=["GET"]),
                Route("/books", self.books, methods=["GET"]),
                Route("/notices", self.notice, methods=["POST"]),
                Route("/alerts", self.alert, methods=["POST"]),
            ],
        )

    async def notice(self, request: Request) -> Response:
        """Take note of an error."""
        self.notices.append(await request.json())
        return JSONResponse({}, 201)

    async def alert(self, request: Request) -> Response:
        """Call a person."""
        self.alerts.append(await request.json())
        return JSONResponse({}, 201)

    async def show(self, request: Request) -> Response:
        """Show the alerts, and the errors in groups."""
        return page(request, "catcher.html", catcher=self)

    async def books(self, request: Request) -> Response:
        """Return everything that the catcher was told."""
        return JSONResponse({"notices": self.notices, "alerts": self.alerts})
