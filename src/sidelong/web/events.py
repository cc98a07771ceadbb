"""The figures that move, as server-sent events."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.responses import Response, StreamingResponse

from sidelong.core.display import shown
from sidelong.errors import StoreError
from sidelong.web.live import Glance
from sidelong.web.security.headers import PAGE
from sidelong.web.visit import Visit

_EVENTS: Final = "text/event-stream"
_STREAM_FOR: Final = 20.0
"""Seconds; browsers connect again. A server that stops waits for what is open."""


def stream(visit: Visit, write: Callable[[Glance], str]) -> Response:
    """Return the figures whenever there are new ones.

    Args:
        visit: the request.
        write: returns what is sent of them: one line.
    """
    headers = {**PAGE, "X-Accel-Buffering": "no"}
    if visit.request.method == "HEAD":
        # Nobody would see them.
        return Response(headers=headers, media_type=_EVENTS)
    return StreamingResponse(_events(visit, write), headers=headers, media_type=_EVENTS)


async def _events(visit: Visit, write: Callable[[Glance], str]) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    try:
        async for glance in visit.site.live.watch(_STREAM_FOR):
            yield f"data: {write(glance)}\n\n"
    except StoreError as error:
        yield f"event: fault\ndata: {json.dumps(shown(str(error)))}\n\n"
