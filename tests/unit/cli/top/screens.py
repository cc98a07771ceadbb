"""A screen that keeps what is drawn, and keys that a test presses."""

import asyncio
from contextlib import asynccontextmanager

from sidelong.cli.top.session import Session
from tests.support.eventually import eventually


class FakeScreen:
    """Shows nothing to anybody.

    Attributes:
        keys: what was pressed.
        text: the last frame.
        drawn: how many frames there were.
        running: the view.
    """

    size = (80, 24)

    def __init__(self):
        self.keys = asyncio.Queue()
        self.text = ""
        self.drawn = 0
        self.running = None

    def draw(self, frame):
        self.text = frame.plain
        self.drawn += 1

    def press(self, *keys):
        """Press keys, all at once."""
        self.keys.put_nowait([*keys])

    async def shows(self, text):
        await eventually(lambda: text in self.text, 30)

    async def shows_no(self, text):
        await eventually(lambda: text not in self.text, 30)


@asynccontextmanager
async def session(app, every=0.05):
    """Show the view of an app on a screen, and end it by its key."""
    screen = FakeScreen()
    screen.running = running = asyncio.create_task(Session(app, screen, every).run())
    try:
        yield screen
        screen.press("q")
        await asyncio.wait_for(running, 30)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
