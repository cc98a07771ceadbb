"""How the parts of a worker learn that they should end."""

import asyncio
from contextlib import suppress


class StopFlag:
    """Set once, looked at after every await.

    Loops end by this flag and not by cancellation: a cancelled wait for Redis loses the reply, and on Python
    3.11 a cancellation may be swallowed on its way.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()

    @property
    def is_set(self) -> bool:
        """True once the end was asked for."""
        return self._event.is_set()

    def set(self) -> None:
        """Ask for the end."""
        self._event.set()

    async def wait(self) -> None:
        """Wait until the end is asked for."""
        await self._event.wait()

    async def sleep(self, seconds: float) -> None:
        """Sleep, but no longer than until the end is asked for."""
        if seconds <= 0 or self._event.is_set():
            await asyncio.sleep(0)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
