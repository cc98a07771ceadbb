"""What the fake services have in common: a switch, books, and pages that show both."""

import asyncio
from collections import Counter
from typing import Any, ClassVar

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from shop import settings
from shop.forms import read_body
from shop.pages import page

MODES = {
    "ok": "answers at once",
    "slow": f"does its work, then answers after {settings.SLOWNESS:g} s",
    "throttle": "does nothing, answers 429 and when to come back",
    "crash": "does its work, then answers 500",
}
RETRY_AFTER = 1


class Service:
    """One service: `POST` to its collection has it do something, `GET` searches what it did.

    A subclass says what it is called, what its records hold, and what doing something means.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    collection: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self.mode = "ok"
        self.records: list[dict[str, Any]] = []
        self.calls: Counter[str] = Counter()
        """How many requests met which mode."""

    def perform(self, request: dict[str, Any], key: str) -> tuple[int, dict[str, Any]]:
        """Do what was asked for; return the status and the answer.

        Args:
            request: what was sent.
            key: the idempotency key, or an empty string.
        """
        raise NotImplementedError

    @property
    def state(self) -> dict[str, Any]:
        """What the home page of the shop shows."""
        return {"title": self.title, "mode": self.mode, "done": len(self.records)}

    def record(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Write down something that was done, and return it with its number."""
        entry = {"id": f"{self.name[0].upper()}{len(self.records) + 1}", **entry}
        self.records.append(entry)
        return entry

    def routes(self) -> Mount:
        """Return everything that can be asked of the service, under its name."""
        return Mount(
            f"/{self.name}",
            routes=[
                Route("/", self.show, methods=["GET"]),
                Route("/switch", self.switch, methods=["POST"]),
                Route("/books", self.books, methods=["GET"]),
                Route(f"/{self.collection}", self.act, methods=["POST"]),
                Route(f"/{self.collection}", self.search, methods=["GET"]),
            ],
        )

    # What the shop calls.

    async def act(self, request: Request) -> Response:
        """Do something, unless busy; it is done before a slow or a failed answer, as in real life."""
        mode = self.mode
        self.calls[mode] += 1
        if mode == "throttle":
            return busy()
        status, answer = self.perform(await request.json(), request.headers.get("Idempotency-Key", ""))
        if mode == "slow":
            await asyncio.sleep(settings.SLOWNESS)
        if mode == "crash":
            return JSONResponse({"error": "Internal Server Error"}, 500)
        return JSONResponse(answer, status)

    async def search(self, request: Request) -> Response:
        """Return the records that have all values of the query; a crash is one of the part that acts."""
        mode = "ok" if self.mode == "crash" else self.mode
        self.calls[mode] += 1
        if mode == "throttle":
            return busy()
        if mode == "slow":
            await asyncio.sleep(settings.SLOWNESS)
        wanted = request.query_params.items()
        found = [record for record in self.records if all(str(record.get(name)) == value for name, value in wanted)]
        return JSONResponse({self.collection: found})

    # What people look at, and programs that compare the books: it never misbehaves.

    async def show(self, request: Request) -> Response:
        """Show the switch and the latest records."""
        return page(request, "service.html", service=self, modes=MODES)

    async def switch(self, request: Request) -> Response:
        """Change how the service behaves."""
        mode = (await read_body(request)).get("mode")
        if mode not in MODES:
            return JSONResponse({"error": f"mode is one of {', '.join(MODES)}"}, 422)
        self.mode = mode
        return RedirectResponse(f"/{self.name}/", 303)

    async def books(self, request: Request) -> Response:
        """Return everything that the service did."""
        return JSONResponse({"mode": self.mode, "calls": self.calls, self.collection: self.records})


def busy() -> Response:
    """Return the answer of a service that does nothing now."""
    return JSONResponse({"error": "Too Many Requests"}, 429, headers={"Retry-After": str(RETRY_AFTER)})
