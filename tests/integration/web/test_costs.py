"""What a page costs Redis: the same however much there is, and a few commands for each queue if it is about queues."""

import json

import pytest

from tests.support.monitor import Monitor

# Commands are counted by a real server.
pytestmark = pytest.mark.parametrize("site", ["memory"], indirect=True)

# What opens a connection, and what loads a script.
PREPARATIONS = {"CLIENT", "SELECT", "HELLO", "PING", "SCRIPT"}
FEW, MANY = 30, 6_000
QUEUES = 200
SCORE = 5_000_000_000.0
FIGURES = 9 + QUEUES
"""What the figures on every page cost, once per interval: sizes, counters, and each queue."""

MOST = {
    "/": 3,
    "/busy": 6,
    "/queues": 2 + 2 * QUEUES,
    "/queues/default": 5,
    "/queues/default?page=2&order=reversed": 5,
    "/queues/default/jobs/j3?at=3&order=reversed": 8,
    "/scheduled": 2,
    "/retries": 2,
    "/retries?count=100&page=2": 2,
    f"/retries/{SCORE + 3}-j3": 6,
    f"/retries/{SCORE + 3}-j3?at=3": 6,
    "/dead": 2,
}
"""Commands of a page beside those of the figures."""


def job(number):
    return json.dumps({"class": "A", "args": [number], "jid": f"j{number}", "queue": "default"})


def fill(client, count):
    client.flushdb()
    names = ["default", *(f"queue-{number}" for number in range(QUEUES - 1))]
    client.sadd("queues", *names)
    client.lpush("queue:default", *(job(number) for number in range(count)))
    for name in ("retry", "schedule", "dead"):
        client.zadd(name, {job(number): SCORE + number for number in range(count)})


async def commands(site, pages, path):
    """Return what a page sends, inside scripts not counted."""
    with Monitor(site.url) as monitor:
        assert (await pages.get(path)).status_code == 200
    return [each for each in monitor.commands if each.name not in PREPARATIONS]


@pytest.mark.parametrize("path", MOST)
async def test_a_page_costs_the_same_however_many_jobs_there_are(path, real_site, open_pages):
    counts = []
    async with real_site.app() as app:
        pages = open_pages(of=app, interval=3600)
        for count in (FEW, MANY):
            fill(real_site.client, count)
            # The figures are fresh then.
            await pages.get("/queues")
            counts.append(len(await commands(real_site, pages, path)))

    assert counts[0] == counts[1] <= MOST[path]


async def test_the_figures_of_every_page_are_read_once_per_interval(real_site, open_pages):
    fill(real_site.client, FEW)
    async with real_site.app() as app:
        pages = open_pages(of=app, interval=3600)
        await commands(real_site, open_pages(of=app, interval=3600), "/retries")
        spent = [len(await commands(real_site, pages, "/retries")) for _ in range(3)]

    assert spent[0] <= FIGURES + MOST["/retries"]
    assert spent[1:] == [spent[2]] * 2
    assert spent[2] <= MOST["/retries"]


@pytest.mark.parametrize("path", ["/retries?text=nothing", "/queues/default?class=Nothing"])
async def test_a_filter_reads_in_large_steps(path, real_site, open_pages):
    fill(real_site.client, MANY)
    async with real_site.app() as app:
        pages = open_pages(of=app, interval=3600)
        await pages.get("/queues")
        sent = await commands(real_site, pages, path)

    assert len(sent) <= MANY / 250 + 6
