"""The view while it is seen: it looks, draws, takes keys and carries out what they ask for, all beside one another."""

import asyncio
from contextlib import suppress
from typing import Final, Protocol

from rich.text import Text

from sidelong.app import Sidelong
from sidelong.cli.top.frame import frame
from sidelong.cli.top.orders import Order, carry_out
from sidelong.cli.top.snapshot import Look, Snapshot
from sidelong.cli.top.view import View
from sidelong.core.display import shown
from sidelong.core.spans import span
from sidelong.errors import StoreError

_PATIENCE: Final = 3.0
"""Seconds after which it is told that Redis has not answered yet."""
_FINISHES_WITHIN: Final = 5.0
"""Seconds that orders have at the end: a worker that is told to cancel a job has three to answer."""


class Screen(Protocol):
    """What is drawn on: `Terminal`, as far as the view uses it.

    Attributes:
        keys: what was pressed, all that came together at once; an empty list asks for a new frame, None is the end.
    """

    keys: asyncio.Queue[list[str] | None]

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""

    def draw(self, frame: Text) -> None:
        """Show a frame."""


class Session:
    """One view, from its begin to its end.

    Args:
        app: whose Redis it is.
        screen: where it is seen.
        every: seconds between two looks at Redis.
    """

    def __init__(self, app: Sidelong, screen: Screen, every: float) -> None:
        self._app = app
        self._screen = screen
        self._every = every
        self._view = View()
        self._snapshot: Snapshot | None = None
        self._problem = ""
        self._asked_at: float | None = None
        self._has_changed = asyncio.Event()
        self._is_due = asyncio.Event()
        self._orders: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Show it until a key, or the end of the keyboard, ends it."""
        looking = asyncio.create_task(self._look())
        reading = asyncio.create_task(self._read())
        for task in (looking, reading):
            task.add_done_callback(lambda _: self._has_changed.set())
        try:
            while not reading.done() and not looking.done():
                self._has_changed.clear()
                self._draw()
                # A clock ticks along: how long Redis has not answered is seen, too.
                await _wait(self._has_changed, 1.0)
            await (reading if reading.done() else looking)
            if self._orders:
                self._view.message = "quitting when that is done ..."
                self._draw()
                await asyncio.wait(self._orders, timeout=_FINISHES_WITHIN)
        finally:
            for task in (looking, reading, *self._orders):
                task.cancel()
            await asyncio.gather(looking, reading, *self._orders, return_exceptions=True)

    async def _look(self) -> None:
        look, clock = Look(self._app), self._app.store.clock
        while True:
            self._is_due.clear()
            self._asked_at = clock.monotonic()
            try:
                self._snapshot = await look.take()
            except StoreError as error:
                self._problem = shown(str(error))
            else:
                self._problem = ""
                self._view.heed(self._snapshot)
            self._asked_at = None
            self._has_changed.set()
            await _wait(self._is_due, self._every)

    async def _read(self) -> None:
        while (keys := await self._screen.keys.get()) is not None:
            for key in keys:
                order = self._view.press(key, self._snapshot)
                if self._view.is_over:
                    return
                if order is not None:
                    self._start(order)
                if self._view.question is not None:
                    # What was typed before the question was seen is no answer to it.
                    break
            self._has_changed.set()

    def _start(self, order: Order) -> None:
        self._view.message = f"{order.verb} {order.name} ..."
        task = asyncio.create_task(self._carry_out(order))
        self._orders.add(task)
        task.add_done_callback(self._orders.discard)

    async def _carry_out(self, order: Order) -> None:
        self._view.message = await carry_out(self._app, order)
        self._is_due.set()
        self._has_changed.set()

    def _draw(self) -> None:
        width, height = self._screen.size
        address = self._app.store.address
        self._screen.draw(frame(self._snapshot, self._view, address, width, height, trouble=self._trouble()))

    def _trouble(self) -> str:
        clock = self._app.store.clock
        silence = 0.0 if self._asked_at is None else clock.monotonic() - self._asked_at
        if not self._problem and silence < _PATIENCE:
            return ""
        problem = self._problem or f"Redis has not answered for {span(silence)}"
        age = "" if self._snapshot is None else f", this is {span(clock.now() - self._snapshot.taken_at)} old"
        return f"trying again{age}: {problem}" if self._problem else f"{problem}{age}"


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
