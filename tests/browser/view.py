"""A page in a browser, which keeps what the browser complains of, and can be asked whether everybody can use it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from playwright.async_api import ConsoleMessage, Error, Locator, Page, Request, Response, expect

DESKTOP: Final = 1_400
PHONE: Final = 390
"""Widths in pixels."""
HEIGHT: Final = 900

AXE: Final = Path(__file__).with_name("axe") / "axe.min.js"

REPORT_VIOLATIONS: Final = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""
"""Runs before the scripts of each page: the browser tells the page of what its policy forbids."""

_RUN_AXE: Final = "() => axe.run(document, { resultTypes: ['violations'], preload: false })"
_STICKING_OUT: Final = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > width + 1)
    .map((element) => element.outerHTML.slice(0, 120));
}"""


class View:
    """A page of the application as somebody sees it.

    Args:
        page: the browser's.
        address: where the application is.

    Attributes:
        page: the browser's.
        complaints: what it wrote to its console as an error or a warning, scripts that failed, requests that did, and
            what the policy of the page forbade. Must be empty at the end of each test.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        self._address = address
        self._is_fault_expected = False
        self._listeners: dict[Any, Callable[[Any], None]] = {
            "console": self._note_message,
            "pageerror": self._note_error,
            "requestfailed": self._note_failure,
            "response": self._note_response,
        }
        for event, listener in self._listeners.items():
            page.on(event, listener)

    async def leave(self) -> None:
        """Leave the application, and forget what was arranged with the page."""
        await self.page.unroute_all(behavior="ignoreErrors")
        await self.page.goto("about:blank")
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)

    async def open(self, path: str, *, status: int = 200) -> None:
        """Go to a page of the application.

        Args:
            path: below where it is.
            status: what it must answer.
        """
        self._is_fault_expected = status >= 400
        answer = await self.page.goto(self._address + path)
        assert answer is not None
        assert answer.status == status, path

    @property
    def path(self) -> str:
        """Where the browser is, below where the application is."""
        return self.page.url.removeprefix(self._address)

    def button(self, name: str, *, within: str = "main") -> Locator:
        """Return the button with this accessible name.

        Args:
            name: the whole name.
            within: a selector of what it stands in.
        """
        return self.page.locator(within).get_by_role("button", name=name, exact=True)

    def row(self, number: int) -> Locator:
        """Return a row of the list, counted from 0."""
        return self.page.locator("table.rows tbody tr").nth(number)

    async def says(self, text: str) -> None:
        """Wait until the page tells this of an action."""
        told = self.page.get_by_role("status").and_(self.page.locator(".message"))
        await expect(told).to_contain_text(text)

    async def resize(self, width: int) -> None:
        """Make the window so many pixels wide."""
        await self.page.set_viewport_size({"width": width, "height": HEIGHT})

    async def sticking_out(self) -> list[str]:
        """Return the begins of the elements that make the page wider than its window."""
        found: list[str] = await self.page.evaluate(_STICKING_OUT)
        return found

    async def barriers(self) -> list[str]:
        """Return what axe finds that keeps some people from using the page."""
        if not await self.page.evaluate("() => 'axe' in window"):
            # Not as a script of the page: its policy would forbid that.
            await self.page.evaluate(_axe_source())
        result: dict[str, Any] = await self.page.evaluate(_RUN_AXE)
        return [
            f"{violation['impact']}: {violation['id']}: {node['html'][:200]} {node['failureSummary']}"
            for violation in result["violations"]
            for node in violation["nodes"]
        ]

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not self._is_of_expected_fault(message.location.get("url", "")):
            self.complaints.append(f"console: {message.text}")

    def _note_error(self, error: Error) -> None:
        self.complaints.append(f"script: {error}")

    def _note_failure(self, request: Request) -> None:
        # What is still under way when the browser leaves its page, such as a stream.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"request: {request.url} {request.failure}")

    def _note_response(self, response: Response) -> None:
        if response.status >= 400 and not (self._is_fault_expected and response.request.is_navigation_request()):
            self.complaints.append(f"response: {response.url} {response.status}")

    def _is_of_expected_fault(self, url: str) -> bool:
        return self._is_fault_expected and url == self.page.url


@cache
def _axe_source() -> str:
    return AXE.read_text()
