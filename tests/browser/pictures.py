"""Take the pictures of the docs anew: `python -m tests.browser.pictures`.

They show the scene of the tests, and differ from those before in the times that they were taken.
"""

import asyncio
import itertools
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import redis
from playwright.async_api import Browser, expect

from tests.browser import scene as scenes
from tests.browser.chromium import running_chromium
from tests.browser.serving import serving
from tests.browser.view import DESKTOP, PHONE, View
from tests.support.redis_server import RedisServer

DIRECTORY: Final = Path(__file__).parents[2] / "docs" / "images" / "web"

_WATCHED_FOR: Final = 60
"""Figures that the live chart has when it is taken: as many as it can show."""
_INTERVAL: Final = 0.1


@dataclass(frozen=True)
class Picture:
    """One file.

    Attributes:
        name: of the file, without what follows the dot.
        path: of the page; may hold names of the scene.
        scheme: `light` or `dark`.
        width: of the window in pixels.
        height: likewise.
        tick: how many rows are ticked.
    """

    name: str
    path: str
    scheme: str = "light"
    width: int = DESKTOP
    height: int = 860
    tick: int = 0


PICTURES: Final = (
    Picture("dashboard-light", "/"),
    Picture("dashboard-dark", "/", "dark"),
    Picture("retries-light", "/retries", tick=2),
    Picture("job-dark", "/retries/{retry}", "dark"),
    Picture("busy-light", "/busy"),
    Picture("metrics-light", "/metrics/shop.jobs.charge_card", height=1_000),
    Picture("queues-dark", "/queues", "dark", height=560),
    Picture("phone-light", "/queues", width=PHONE, height=780),
    Picture("phone-dark", "/retries", "dark", width=PHONE, height=780),
)


async def take(client: redis.Redis, url: str, browser: Browser, directory: Path, pictures: tuple[Picture, ...]) -> None:
    """Write pictures of a scene.

    Args:
        client: on an empty database, which gets the scene.
        url: of that database.
        browser: runs.
        directory: where the files go; it is made.
        pictures: which ones.
    """
    directory.mkdir(parents=True, exist_ok=True)
    names = scenes.build(client).names
    async with serving(url, interval=_INTERVAL, environment="staging", title="Shop", app_url="/") as address:
        for picture in pictures:
            context = await browser.new_context(
                viewport={"width": picture.width, "height": picture.height},
                color_scheme=picture.scheme,
                locale="en-GB",
                timezone_id="Europe/Berlin",
                reduced_motion="reduce",
            )
            view = View(await context.new_page(), address)
            async with _work_going_on(client):
                await view.open(picture.path.format(**names))
                if picture.path == "/":
                    await _await_chart(view)
                for number in range(picture.tick):
                    await view.row(number).get_by_role("checkbox").check()
                await view.page.screenshot(path=directory / f"{picture.name}.png", animations="disabled")
            await context.close()


async def _await_chart(view: View) -> None:
    points = view.page.locator("polyline.processed")
    await expect(points).to_have_attribute("points", re.compile(rf"(\S+ ){{{_WATCHED_FOR - 2}}}"), timeout=60_000)
    # The first figures are those of a page that has just been opened; they leave the chart at the other end.
    await asyncio.sleep(10 * _INTERVAL)


@asynccontextmanager
async def _work_going_on(client: redis.Redis) -> AsyncIterator[None]:
    """Count jobs for as long as the block lasts, as workers would."""

    async def count() -> None:
        for pace in itertools.cycle((4, 5, 5, 6, 8, 7, 9, 11, 10, 8, 8, 6, 5, 3, 4)):
            client.incrby("stat:processed", pace)
            client.incrby("stat:failed", int(pace > 9))
            await asyncio.sleep(_INTERVAL)

    counting = asyncio.create_task(count())
    try:
        yield
    finally:
        counting.cancel()
        with suppress(asyncio.CancelledError):
            await counting


async def _take_all() -> None:
    with RedisServer() as server, server.client() as client:
        async with running_chromium() as browser:
            await take(client, server.url, browser, DIRECTORY, PICTURES)


def main() -> int:
    """Take all of them, and say how large they are."""
    asyncio.run(_take_all())
    for picture in PICTURES:
        path = DIRECTORY / f"{picture.name}.png"
        print(f"{path.stat().st_size / 1024:6.0f} kB  {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
