"""Commands that are sent again when nobody knows what became of them."""

import asyncio
import functools
import random
from collections.abc import Callable
from typing import Any

from sidelong.errors import ReplyLost, Unavailable
from tests.chaos.broken.patches import wrap

_ATTEMPTS = 10
_PAUSE = 0.05


def send_again() -> None:
    """Do as redis-py's clients do: send every command again, whatever it is, after an error of the connection."""
    wrap("sidelong.store.link:RedisLink.call", _repeated)
    wrap("sidelong.store.link:RedisLink.pipeline", _repeated)


def _repeated(send: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(send)
    async def repeated(*arguments: Any) -> Any:
        for _ in range(_ATTEMPTS):
            try:
                answer = await send(*arguments)
            except (ReplyLost, Unavailable):
                await asyncio.sleep(random.uniform(0, _PAUSE))
                continue
            if not (isinstance(answer, list) and any(isinstance(each, ReplyLost) for each in answer)):
                return answer
        return await send(*arguments)

    return repeated
