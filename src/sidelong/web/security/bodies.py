"""What a request may bring: one kind of content, at most so much, within so long."""

import asyncio
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from sidelong.core import serialization
from sidelong.errors import InvalidPayloadError

MOST_BYTES: Final = 1_000_000
MOST_FIELDS: Final = 200

_WITHIN: Final = 10.0
"""Seconds for the whole body."""

Form = dict[str, list[str]]


async def read_form(request: Request) -> Form:
    """Return the fields of a form.

    Raises:
        HTTPException: 400 for what is no form, 408 if it comes too slowly, 413 if it is too large, 415 for another
            type of content.
    """
    body = await _read(request, "application/x-www-form-urlencoded")
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise HTTPException(400) from None
    form: Form = {}
    for name, value in fields:
        form.setdefault(name, []).append(value)
    return form


async def read_json(request: Request) -> Any:
    """Return what JSON says.

    Raises:
        HTTPException: as `read_form`.
    """
    try:
        return serialization.loads(await _read(request, "application/json"))
    except InvalidPayloadError as error:
        raise HTTPException(400, str(error)) from None


async def _read(request: Request, content_type: str) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != content_type:
        raise HTTPException(415)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 15 or int(length) > MOST_BYTES):
        raise HTTPException(413)
    body = bytearray()
    try:
        async with asyncio.timeout(_WITHIN):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    raise HTTPException(413)
    except TimeoutError:
        raise HTTPException(408) from None
    except ClientDisconnect:
        raise HTTPException(400) from None
    return bytes(body)
