"""Every page, dark and light, on a desk and on a phone."""

import pytest

from tests.browser import scene as scenes
from tests.browser.table import PAGES
from tests.browser.view import DESKTOP, PHONE

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.allow_any_keys]

GROUND = "() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"


@pytest.mark.parametrize("shown", PAGES, ids=str)
async def test_a_page_fits_its_window_and_everybody_can_use_it(shown, open_view, redis_client):
    names = {} if shown.is_empty else scenes.build(redis_client).names
    view = await open_view()

    await view.open(shown.path.format(**names), status=shown.status)
    if shown.press:
        async with view.page.expect_navigation():
            await view.button(shown.press).click()

    assert await view.page.locator("h1").count() == 1
    # One look after the other at the same page: loading it takes longer than most of them.
    for scheme, width in (("light", DESKTOP), ("dark", DESKTOP), ("dark", PHONE)):
        await view.page.emulate_media(color_scheme=scheme)
        await view.resize(width)
        assert (sum(await view.page.evaluate(GROUND)) > 3 * 128) == (scheme == "light")
        assert await view.sticking_out() == [], (scheme, width)
        assert await view.barriers() == [], (scheme, width)
