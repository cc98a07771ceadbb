"""Every action that the pages offer, done with the mouse, and what it leaves in Redis."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import redis
from playwright.async_api import expect

from sidelong import Sidelong
from tests.browser.scene import Scene
from tests.browser.view import View
from tests.support.eventually import eventually
from tests.support.timings import TEST_TIMINGS

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.allow_any_keys]

CHOSEN = "form:has(table)"
ALL = "form.toolbar"
TITLE = ".title"
GROUP = "shop.jobs.charge_card, CardDeclined"

Places = dict[str, set[str]]
"""Jids by the key that holds them."""


def places(client: redis.Redis) -> Places:
    raws = {name: client.zrange(name, 0, -1) for name in ("retry", "schedule", "dead")}
    raws |= {f"queue:{name.decode()}": client.lrange(b"queue:" + name, 0, -1) for name in client.smembers("queues")}
    return {name: {jid(raw) for raw in found} for name, found in raws.items()}


def jid(raw: bytes) -> str:
    try:
        return json.loads(raw)["jid"]
    except ValueError:
        return "(no job)"


def new(before: Places, after: Places, name: str) -> int:
    """Return how many jobs have come to a place."""
    return len(after.get(name, set()) - before.get(name, set()))


def come_to_queues(before: Places, after: Places) -> int:
    return sum(new(before, after, name) for name in after if name.startswith("queue:"))


@dataclass(frozen=True)
class Action:
    """A button of a list, and what it has to do.

    Attributes:
        path: of the page; may hold names of the scene.
        ticked: how many rows are ticked first; 0 where the button is not about ticked rows.
        within: where the button stands.
        button: what it says.
        is_asked: whether a question comes first.
        said: what the page says afterwards.
        leaves: the place from which jobs go.
        left: how many stay there.
        arrived: counts those that have come to where they should be.
        count: how many that must be.
    """

    path: str
    ticked: int
    within: str
    button: str
    is_asked: bool
    said: str
    leaves: str
    left: int
    arrived: Callable[[Places, Places], int] = come_to_queues
    count: int = 0

    def __str__(self) -> str:
        return f"{self.path.strip('/')}-{self.button}-{self.ticked or self.within}".replace(" ", "-")


def come_to_dead(before: Places, after: Places) -> int:
    return new(before, after, "dead")


ACTIONS = (
    Action("/retries", 2, CHOSEN, "Retry now", False, "2 jobs retried.", "retry", 29, count=2),
    Action("/retries", 2, CHOSEN, "Kill", False, "2 jobs killed.", "retry", 29, come_to_dead, 2),
    Action("/retries", 2, CHOSEN, "Delete", True, "2 jobs deleted.", "retry", 29),
    Action("/retries", 0, ALL, "Retry now", True, "31 jobs retried.", "retry", 0, count=31),
    Action("/retries", 0, ALL, "Kill", True, "31 jobs killed.", "retry", 0, come_to_dead, 31),
    Action("/retries", 0, ALL, "Delete", True, "31 jobs deleted.", "retry", 0),
    Action("/retries?error=CardDeclined", 0, ALL, "Delete", True, "8 jobs deleted.", "retry", 23),
    Action("/retries/{retry}", 0, TITLE, "Retry now", False, "1 job retried.", "retry", 30, count=1),
    Action("/retries/{retry}", 0, TITLE, "Kill", False, "1 job killed.", "retry", 30, come_to_dead, 1),
    Action("/retries/{retry}", 0, TITLE, "Delete", True, "1 job deleted.", "retry", 30),
    Action("/retries/groups", 0, "table", f"Retry now: {GROUP}", True, "8 jobs retried.", "retry", 23, count=8),
    Action("/retries/groups", 0, "table", f"Kill: {GROUP}", True, "8 jobs killed.", "retry", 23, come_to_dead, 8),
    Action("/dead/groups", 0, "table", f"Delete: {GROUP}", True, "3 jobs deleted.", "dead", 9),
    Action("/scheduled", 2, CHOSEN, "Run now", False, "2 jobs enqueued.", "schedule", 26, count=2),
    Action("/scheduled", 2, CHOSEN, "Delete", True, "2 jobs deleted.", "schedule", 26),
    Action("/scheduled", 0, ALL, "Run now", True, "28 jobs enqueued.", "schedule", 0, count=28),
    Action("/scheduled", 0, ALL, "Delete", True, "28 jobs deleted.", "schedule", 0),
    Action("/scheduled/{scheduled}", 0, TITLE, "Run now", False, "1 job enqueued.", "schedule", 27, count=1),
    Action("/scheduled/{scheduled}", 0, TITLE, "Delete", True, "1 job deleted.", "schedule", 27),
    Action("/dead", 2, CHOSEN, "Retry now", False, "2 jobs retried.", "dead", 10, count=2),
    Action("/dead", 2, CHOSEN, "Delete", True, "2 jobs deleted.", "dead", 10),
    Action("/dead", 0, ALL, "Retry now", True, "11 jobs retried. 1 cannot be moved", "dead", 1, count=11),
    Action("/dead", 0, ALL, "Delete", True, "12 jobs deleted.", "dead", 0),
    Action("/dead/{dead}", 0, TITLE, "Retry now", False, "1 job retried.", "dead", 11, count=1),
    Action("/dead/{dead}", 0, TITLE, "Delete", True, "1 job deleted.", "dead", 11),
    Action("/queues/default", 2, CHOSEN, "Delete", True, "2 jobs deleted.", "queue:default", 32),
    Action("/queues/default", 0, ALL, "Delete", True, "34 jobs deleted.", "queue:default", 0),
    Action("/queues/default?tag=vip", 0, ALL, "Delete", True, "7 jobs deleted.", "queue:default", 27),
    Action("/queues/default", 0, TITLE, "Clear", True, "34 jobs deleted.", "queue:default", 0),
    Action("/queues/default/jobs/{queued}", 0, TITLE, "Delete", True, "1 job deleted.", "queue:default", 33),
    Action("/queues", 0, "table", "Clear billing", True, "3 jobs deleted.", "queue:billing", 0),
)


@pytest.mark.parametrize("action", ACTIONS, ids=str)
async def test_a_button_does_what_it_says_and_the_page_tells(
    action: Action, view: View, scene: Scene, redis_client: redis.Redis
) -> None:
    before = places(redis_client)
    await view.open(action.path.format(**scene.names))
    for number in range(action.ticked):
        await view.row(number).get_by_role("checkbox").check()

    await view.button(action.button, within=action.within).click()
    if action.is_asked:
        await expect(view.page.get_by_role("heading", name="Are you sure?")).to_be_visible()
        assert places(redis_client) == before
        await view.page.get_by_role("button", name="Yes").click()

    await view.says(action.said)
    after = places(redis_client)
    moved = before[action.leaves] - after.get(action.leaves, set())
    assert len(after.get(action.leaves, ())) == action.left
    assert len(moved) == len(before[action.leaves]) - action.left
    assert action.arrived(before, after) == action.count


@pytest.mark.parametrize(
    ("path", "within", "button"),
    [
        ("/retries/{retry}", TITLE, "Delete"),
        ("/retries?page=2", ALL, "Retry now"),
        ("/queues", "table", "Clear billing"),
        ("/busy", "table", "Stop {process}"),
    ],
)
async def test_saying_no_changes_nothing_and_leads_back(path, within, button, view, scene, redis_client):
    before = sorted(redis_client.keys("q*:*")), places(redis_client)
    await view.open(path.format(**scene.names))

    await view.button(button.format(**scene.names), within=within).click()
    await view.page.get_by_role("link", name="No, go back").click()

    await expect(view.page.get_by_role("heading", name="Are you sure?")).to_have_count(0)
    assert view.path.partition("/")[2] in path[1:] or path.startswith(view.path)
    assert (sorted(redis_client.keys("q*:*")), places(redis_client)) == before
    assert redis_client.keys("*-signals") == []


@pytest.mark.parametrize(("path", "name"), [("/queues", " billing"), ("/queues/billing", "")])
async def test_a_queue_is_paused_and_resumed(path, name, view, redis_client):
    await view.open(path)

    await view.button(f"Pause{name}").click()
    await view.says("Queue paused.")
    paused = redis_client.smembers("paused")
    await view.button(f"Resume{name}").click()

    await view.says("Queue resumed.")
    assert view.path.startswith(f"{path}?")
    assert (paused, redis_client.smembers("paused")) == ({b"reports", b"billing"}, {b"reports"})


@pytest.mark.parametrize(("button", "signal"), [("Quiet", b"TSTP"), ("Stop", b"TERM")])
async def test_processes_are_told(button, signal, view, scene, redis_client):
    process = scene.names["process"]
    await view.open("/busy")

    await view.button(f"{button} {process}").click()
    await view.page.get_by_role("button", name="Yes").click()
    await view.says("Told")
    to_one = redis_client.keys("*-signals")
    await view.button(f"{button} all").click()
    await view.page.get_by_role("button", name="Yes").click()

    await view.says("3 processes were told")
    assert to_one == [f"{process}-signals".encode()]
    assert redis_client.lrange(f"{process}-signals", 0, -1) == [signal, signal]
    assert len(redis_client.keys("*-signals")) == 3


async def test_a_process_is_told_from_its_own_page(view, scene, redis_client):
    process = scene.names["process"]
    await view.open(f"/busy/{process}")

    await view.button("Log stacks").click()
    await view.says("Told to log what each of its jobs is doing.")
    await view.button("Quiet").click()
    await view.page.get_by_role("button", name="Yes").click()

    await view.says("Told to take no more jobs.")
    assert set(redis_client.lrange(f"{process}-signals", 0, -1)) == {b"TTIN", b"TSTP"}


async def test_a_job_is_changed_and_enqueued(view, scene, redis_client):
    await view.open(f"/retries/{scene.names['retry']}")
    await view.page.get_by_role("link", name="Edit and run").click()
    arguments = view.page.get_by_label("Arguments, a list in JSON")

    await arguments.fill('["order-1", {"cents": 1,')
    await view.button("Enqueue the changed job").click()
    await expect(arguments).to_have_attribute("aria-invalid", "true")
    # That it was refused, and nothing else; the browser tells it twice.
    assert [complaint for complaint in view.complaints if "422" not in complaint] == []
    view.complaints.clear()
    before = places(redis_client)
    await arguments.fill('["order-1", {"cents": 1}]')
    await view.page.get_by_label("Queue").fill("critical")
    await view.button("Enqueue the changed job").click()
    await view.page.get_by_role("button", name="Yes").click()

    await view.says("The changed job is enqueued.")
    (raw,) = redis_client.lrange("queue:critical", 0, -1)
    assert json.loads(raw)["args"] == ["order-1", {"cents": 1}]
    assert places(redis_client) == {
        **before,
        "retry": before["retry"] - {scene.jids["retry"][0]},
        "queue:critical": {scene.jids["retry"][0]},
    }


async def test_a_job_that_waits_is_changed_and_waits_behind_all_others(view, scene, redis_client):
    await view.open(f"/queues/default/jobs/{scene.names['queued']}")
    await view.page.get_by_role("link", name="Edit", exact=True).click()
    before = places(redis_client)

    await view.page.get_by_label("Arguments, a list in JSON").fill('["order-1"]')
    await view.button("Enqueue the changed job").click()
    await view.page.get_by_role("button", name="Yes, edit").click()

    await view.says("The changed job is enqueued.")
    raws = redis_client.lrange("queue:default", 0, -1)
    assert (jid(raws[0]), json.loads(raws[0])["args"]) == (scene.names["queued"], ["order-1"])
    assert (len(raws), places(redis_client)) == (34, before)


async def test_running_jobs_that_are_ticked_are_asked_about_and_may_be_gone(view):
    await view.open("/busy")
    for number in range(2):
        await view.page.locator(CHOSEN).get_by_role("checkbox", name="Choose").nth(number).check()

    await view.button("Cancel", within=f"{CHOSEN} .toolbar").click()
    await view.page.get_by_role("button", name="Yes").click()

    await view.says("Already gone")


async def test_a_running_job_that_has_ended_is_already_gone(view):
    await view.open("/busy")

    await view.page.get_by_role("button", name="Cancel shop.jobs.charge_card").first.click()
    await view.page.get_by_role("button", name="Yes").click()

    await view.says("Already gone")


async def test_a_running_job_is_cancelled(open_view, redis_server):
    ended = asyncio.Event()
    async with Sidelong(redis_server.url, **TEST_TIMINGS) as app:

        @app.job(name="shop.jobs.wait_for_stock")
        async def wait_for_stock() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        async with app.worker(concurrency=1):
            await wait_for_stock.enqueue()
            view = await open_view()

            async def is_shown():
                await view.open("/busy")
                return await view.button("Cancel shop.jobs.wait_for_stock").count()

            await eventually(is_shown, within=30)
            await view.button("Cancel shop.jobs.wait_for_stock").click()
            await view.page.get_by_role("button", name="Yes").click()

            await view.says("Cancelled")
            await asyncio.wait_for(ended.wait(), 15)


async def test_nothing_ticked_is_told(view, redis_client):
    before = places(redis_client)
    await view.open("/retries")

    await view.button("Retry now", within=CHOSEN).click()

    await view.says("Nothing was chosen.")
    assert places(redis_client) == before
