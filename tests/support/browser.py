"""What a browser does, as far as a server can see it."""

import re
from html import unescape
from typing import Any

import httpx

_TAG = re.compile(r"<(form|input|button)\b([^>]*)>")
_ATTRIBUTE = re.compile(r'([\w-]+)(?:="([^"]*)")?')


class Browser(httpx.AsyncClient):
    """Opens pages and sends forms as a browser on the same machine would.

    Args:
        application: the ASGI app.
        base_url: where it is.
        headers: what every request carries, such as `Authorization`.
    """

    def __init__(self, application: Any, base_url: str = "http://localhost", **arguments: Any) -> None:
        transport = httpx.ASGITransport(application, raise_app_exceptions=True)
        super().__init__(transport=transport, base_url=base_url, **arguments)

    async def act(self, path: str, data: Any, **headers: str) -> httpx.Response:
        """Send a form that one of our own pages holds, and follow to the page after it."""
        headers = {"Sec-Fetch-Site": "same-origin", **headers}
        return await self.post(path, data=data, headers=headers, follow_redirects=True)

    async def confirm(self, path: str, data: Any) -> httpx.Response:
        """Send such a form, and say yes to the question that follows."""
        asked = await self.act(path, data)
        fields = fields_of(asked.text)
        assert "confirmed" in fields, "no question was asked"
        return await self.act(path, fields)


def fields_of(html: str) -> dict[str, list[str]]:
    """Return the hidden fields and buttons of the forms that post, by name."""
    fields: dict[str, list[str]] = {}
    is_posting = False
    for tag, text in _TAG.findall(html):
        attributes = {name: unescape(value) for name, value in _ATTRIBUTE.findall(text)}
        if tag == "form":
            is_posting = attributes.get("method") == "post"
        elif is_posting and "name" in attributes:
            fields.setdefault(attributes["name"], []).append(attributes.get("value", ""))
    return fields
