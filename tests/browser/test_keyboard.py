"""The pages without a mouse."""

import pytest
from playwright.async_api import Locator, expect

from tests.browser.view import PHONE, View

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.allow_any_keys]

MOST_STEPS = 120
HAS_FOCUS = "(element) => element === document.activeElement"
# What shows where the focus is: an outline that is not as wide as nothing.
SHOWS_FOCUS = """(element) => {
  const style = getComputedStyle(element);
  return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
}"""


async def walk_to(view: View, target: Locator, *, key: str = "Tab") -> int:
    """Press a key until an element has the focus, and return how often that was."""
    await expect(target).to_have_count(1)
    for steps in range(1, MOST_STEPS):
        await view.page.keyboard.press(key)
        if await target.evaluate(HAS_FOCUS):
            assert await target.evaluate(SHOWS_FOCUS)
            return steps
    raise AssertionError(f"{target} is not reached with {key}")


@pytest.mark.parametrize("width", [1_400, PHONE])
async def test_a_job_is_retried_with_the_keyboard_alone(width, open_view, scene, redis_client):
    view = await open_view(width=width)
    keyboard = view.page.keyboard
    await view.open("/")

    await walk_to(view, view.page.get_by_role("navigation").get_by_role("link", name="Retries"))
    await keyboard.press("Enter")
    await expect(view.page.get_by_role("heading", name="Retries", level=1)).to_be_visible()
    await walk_to(view, view.row(2).get_by_role("checkbox"))
    await keyboard.press("Space")
    await expect(view.row(2).get_by_role("checkbox")).to_be_checked()
    await walk_to(view, view.button("Retry now", within="form:has(table)"), key="Shift+Tab")
    await keyboard.press("Enter")

    await view.says("1 job retried.")
    assert redis_client.zcard("retry") == 30
    assert scene.jids["retry"][2].encode() in redis_client.lindex("queue:mailers", 0)


async def test_a_deletion_is_confirmed_with_the_keyboard_alone(view, scene, redis_client):
    await view.open(f"/retries/{scene.names['retry']}")

    await walk_to(view, view.button("Delete"))
    await view.page.keyboard.press("Enter")
    await walk_to(view, view.button("Yes, delete"))
    await view.page.keyboard.press("Enter")

    await view.says("1 job deleted.")
    assert redis_client.zcard("retry") == 30


async def test_the_first_step_leads_past_the_navigation(view):
    await view.open("/retries")

    assert await walk_to(view, view.page.get_by_role("link", name="Skip to the content")) == 1
    await view.page.keyboard.press("Enter")
    await view.page.keyboard.press("Tab")

    assert await view.page.locator("main :focus").count() == 1


async def test_keys_lead_to_the_filter_and_turn_pages(view):
    await view.open("/retries")

    await view.page.keyboard.press("n")
    await expect(view.page.get_by_text("Page 2 of 2")).to_be_visible()
    await view.page.keyboard.press("p")
    await expect(view.page.get_by_text("Page 1 of 2")).to_be_visible()
    await view.page.keyboard.press("/")
    await view.page.keyboard.type("no/p")

    await expect(view.page.get_by_role("searchbox")).to_have_value("no/p")
    await view.page.keyboard.press("Enter")
    await expect(view.page.get_by_text("No job matches.")).to_be_visible()
