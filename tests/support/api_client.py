"""Asks the JSON API and holds every answer against its description."""

from typing import Any
from urllib.parse import quote

import httpx
from jsonschema import Draft202012Validator

from tests.support.browser import Browser


class ApiClient:
    """Calls addresses by what the description calls them.

    Args:
        browser: reaches the dashboard.
        prefix: where the dashboard is.

    Attributes:
        document: the description.
        called: the names of what has answered as it should.
    """

    def __init__(self, browser: Browser, prefix: str = "") -> None:
        self.browser = browser
        self.document: dict[str, Any] = {}
        self.called: set[str] = set()
        self._prefix = prefix

    async def load(self) -> "ApiClient":
        """Read the description."""
        answer = await self.browser.get(f"{self._prefix}/api/openapi.json")
        assert answer.status_code == 200, answer.text
        self.document = answer.json()
        self.operations = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
        }
        return self

    async def call(self, name: str, *parts: str, query: Any = None, body: Any = None, **headers: str) -> httpx.Response:
        """Ask one address, and check that its answer is one that the description knows.

        Args:
            name: the `operationId`.
            parts: what stands in the place of the words in braces, as an address has it.
            query: its query.
            body: what is sent as JSON.
            headers: beside those of a page of ours.
        """
        method, path, operation = self.operations[name]
        for part, value in zip([each for each in operation["parameters"] if each["in"] == "path"], parts, strict=True):
            path = path.replace("{" + part["name"] + "}", quote(value, safe="~:"))
        answer = await self.browser.request(
            method,
            f"{self._prefix}/api{path}",
            params=query,
            headers={"Sec-Fetch-Site": "same-origin", **headers} if method == "POST" else headers,
            **({} if body is None else {"json": body}),
        )
        self.check(operation, answer)
        if answer.status_code == 200:
            self.called.add(name)
        return answer

    async def get(self, name: str, *parts: str, **query: Any) -> Any:
        """Return what an address answers with 200."""
        answer = await self.call(name, *parts, query=query or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def act(self, name: str, *parts: str, body: Any = None) -> Any:
        """Return what an action answers with 200."""
        answer = await self.call(name, *parts, body=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def check(self, operation: dict[str, Any], answer: httpx.Response) -> None:
        """Hold an answer against its description."""
        described = operation["responses"].get(str(answer.status_code))
        assert described is not None, f"{operation['operationId']} answers {answer.status_code}: {answer.text}"
        media_type = answer.headers["content-type"].partition(";")[0]
        content = described["content"][media_type]
        assert answer.text.isascii()
        if media_type.endswith("json"):
            assert "<" not in answer.text
            schema = {**content["schema"], "components": self.document["components"]}
            Draft202012Validator(schema).validate(answer.json())
