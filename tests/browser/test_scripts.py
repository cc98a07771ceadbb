"""What the pages do beyond HTML, and that nothing depends on it."""

import ast
import json
import re

import pytest
from playwright.async_api import expect

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.allow_any_keys]


# Lists


async def test_one_box_ticks_all_rows_and_shows_that_some_are_ticked(view):
    await view.open("/retries")
    everything = view.page.get_by_label("All on this page")
    is_mixed = "(box) => box.indeterminate"

    await everything.check()
    ticked = await view.page.locator("input[name=key]:checked").count()
    await view.row(0).get_by_role("checkbox").uncheck()

    assert ticked == 25
    assert await everything.evaluate(is_mixed)
    await everything.check()
    await everything.uncheck()
    assert await view.page.locator("input[name=key]:checked").count() == 0


async def test_a_list_is_filtered_and_its_filters_are_taken_off(view, scene):
    text = scene.jids["retry"][4].upper()
    await view.open("/retries?count=100")

    await view.page.get_by_label("Error class").fill("CardDeclined")
    await view.page.get_by_label("Text anywhere in the job").fill(text)
    await view.button("Filter").click()
    await expect(view.page.locator("tbody tr")).to_have_count(1)
    await view.page.get_by_role("link", name=f"Text anywhere in the job: {text}").click()
    await expect(view.page.locator("tbody tr")).to_have_count(8)
    await view.page.get_by_role("link", name="Error class: CardDeclined").click()

    await expect(view.page.locator("tbody tr")).to_have_count(31)
    assert view.path == "/retries?count=100"


async def test_order_and_length_of_a_list_are_links(view, scene):
    await view.open("/scheduled")
    first = await view.row(0).get_by_role("link").first.get_attribute("href")

    await view.page.get_by_role("link", name="50", exact=True).click()
    await expect(view.page.locator("tbody tr")).to_have_count(28)
    await view.page.get_by_role("link", name="Next to run last").click()

    await expect(view.row(27).get_by_role("link").first).to_have_attribute("href", re.compile(re.escape(first[:30])))
    assert scene.names["scheduled"] in first


async def test_a_job_is_found_behind_its_link(view, scene):
    await view.open("/dead")

    await view.page.get_by_role("link", name="shop.jobs", exact=False).first.click()

    await expect(view.page.get_by_role("heading", level=1)).to_contain_text("shop.jobs.")
    await expect(view.page.get_by_text(scene.jids["dead"][0], exact=True)).to_be_visible()
    await expect(view.page.get_by_label("Backtrace")).to_contain_text("shop/payments.py:88")


async def test_a_job_is_copied_as_python(open_view, scene):
    view = await open_view(permissions=["clipboard-read", "clipboard-write"])
    await view.open(f"/retries/{scene.names['retry']}")

    await view.page.get_by_text("As Python").click()
    await view.button("Copy").click()

    await expect(view.page.get_by_text("Copied")).to_be_visible()
    copied = await view.page.evaluate("() => navigator.clipboard.readText()")
    assert "shop.jobs.charge_card" in copied
    assert compile(copied, "copied", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


# Times


async def test_times_are_those_of_the_reader_and_the_exact_one_is_in_the_title(open_view, redis_client):
    redis_client.zadd("dead", {json.dumps({"class": "A", "args": [], "jid": "a"}): 1_751_328_000.0})
    view = await open_view(timezone_id="Asia/Tokyo")

    await view.open("/dead")

    time = view.row(0).locator("time")
    await expect(time).to_have_text(re.compile("1 Jul 2025.*9:00:00"))
    await expect(time).to_have_attribute("title", re.compile("2025-07-01 00:00:00 UTC"))


# Colours


async def test_the_colours_that_were_chosen_last_stay(open_view, scene):
    view = await open_view(scheme="light")
    ground = "() => getComputedStyle(document.body).backgroundColor"
    await view.open("/")
    light = await view.page.evaluate(ground)

    await view.page.get_by_role("button", name="Dark or light").click()
    dark = await view.page.evaluate(ground)
    await view.open("/queues")

    assert light != dark == await view.page.evaluate(ground)


# Figures that move


async def test_figures_move_by_themselves(view, redis_client):
    await view.open("/")
    processed = view.page.locator("[data-figure=processed]")
    await expect(view.page.get_by_text("live", exact=True)).to_be_visible()

    redis_client.incrby("stat:processed", 1_000)

    await expect(processed).to_have_text("9,482,205")
    await expect(view.page.locator("polyline.processed")).to_have_attribute("points", re.compile(r"\d,\d+.*\d,\d"))


async def test_figures_are_asked_for_where_they_cannot_be_streamed(open_view, scene, redis_client):
    view = await open_view()
    await view.page.route("**/figures/stream", lambda route: route.fulfill(status=204))
    await view.open("/")
    await expect(view.page.get_by_text("every few seconds")).to_be_visible()

    redis_client.incrby("stat:processed", 1_000)

    await expect(view.page.locator("[data-figure=processed]")).to_have_text("9,482,205")


# Without any script


async def test_without_scripts_the_pages_are_the_same(open_view, scene, redis_client):
    view = await open_view(java_script_enabled=False)
    await view.open("/retries")

    await view.row(0).get_by_role("checkbox").check()
    await view.button("Delete", within="form:has(table)").click()
    await view.page.get_by_role("button", name="Yes").click()

    await view.says("1 job deleted.")
    assert redis_client.zcard("retry") == 30
    await expect(view.row(0).locator("time")).to_have_text(re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"))
