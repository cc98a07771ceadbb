"""Read what a browser or a program sends."""

from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request


def is_json(request: Request) -> bool:
    """Tell whether a program asks, which wants JSON and no page."""
    return "json" in request.headers.get("accept", "") or "json" in request.headers.get("content-type", "")


async def read_body(request: Request) -> dict[str, Any]:
    """Return the fields of a form, or the JSON object that was sent in its place.

    Raises:
        ValueError: it is neither.
    """
    if "json" not in request.headers.get("content-type", ""):
        return dict(parse_qsl((await request.body()).decode()))
    body = await request.json()
    if not isinstance(body, dict):
        raise ValueError("send a JSON object")
    return body
