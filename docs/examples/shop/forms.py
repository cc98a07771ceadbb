"""Read what a browser or a program sends."""

import json
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request


def is_json(request: Request) -> bool:
    """Tell whether a program asks, which wants JSON and no page."""
    return "json" in request.headers.get("accept", "") or "json" in request.headers.get("content-type", "")


async def read_body(request: Request) -> dict[str, Any]:
    """Return the fields of a form, or the JSON object that was sent in its place.

    Raises:
        ValueError: it is neither, or has half a character in it.
    """
    if "json" not in request.headers.get("content-type", ""):
        return dict(parse_qsl((await request.body()).decode()))
    body = await request.json()
    if not isinstance(body, dict):
        raise ValueError("send a JSON object")
    # JSON can spell one half of a surrogate pair, which neither the database nor a page can hold.
    json.dumps(body, ensure_ascii=False).encode()
    return body


def read_number(text: str) -> int:
    """Return the number of an order.

    Raises:
        ValueError: no order can have it.
    """
    number = int(text)
    if not 0 <= number < 2**63:
        raise ValueError("the database holds numbers of 64 bits")
    return number
