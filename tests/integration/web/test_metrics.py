import re
import struct
from datetime import UTC, datetime, timedelta

import pytest

from sidelong.api import Deploys
from sidelong.core.durations import BUCKETS
from sidelong.store import keys
from sidelong.store.metric_names import FIELDS, MINUTE, TEN_MINUTES, stamp, start_of
from tests.integration.web.test_lists import HOSTILE, assert_harmless
from tests.support.clocks import StoppedClock
from tests.support.monitor import Monitor

NOTHING = "\u2013"
NOW = datetime(2026, 11, 20, 8, 3, 59, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(app):
    """The pages tell of this minute whenever they are asked for."""
    app.store.clock = StoppedClock(NOW.timestamp())
    return app.store.clock


def moment(minutes_ago=0, *, now=NOW):
    return start_of(now - timedelta(minutes=minutes_ago), MINUTE)


def count(site, key, name, **figures):
    fields = {f"{name}|{FIELDS[figure]}".encode("utf-8", "surrogateescape"): n for figure, n in figures.items()}
    site.client.hset(key.encode("utf-8", "surrogateescape"), mapping=fields)
    site.client.expire(key, 1000)


def executed(site, name="Shop::Charge", minutes_ago=0, *, now=NOW, **figures):
    """Seed what a worker of ours flushes for one minute and for the ten it is part of."""
    at = moment(minutes_ago, now=now)
    count(site, keys.job_metrics(stamp(at, MINUTE)), name, **figures)
    count(site, keys.job_metrics(stamp(start_of(at, TEN_MINUTES), TEN_MINUTES)), name, **figures)


def took(site, bucket, jobs, name="Shop::Charge", minutes_ago=0):
    counters = [jobs if place == bucket else 0 for place in range(BUCKETS)]
    site.client.set(keys.histogram(name, stamp(moment(minutes_ago), MINUTE)), struct.pack(f">{BUCKETS}I", *counters))
    site.client.expire(keys.histogram(name, stamp(moment(minutes_ago), MINUTE)), 1000)


def rows(html):
    """Return the cells of the table of classes, by class."""
    table = html.partition('id="jobs"')[2].partition("</table>")[0]
    found = {}
    for row in table.split("<tr>")[2:]:
        name, *cells = [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
        found[name] = cells
    return found


async def test_classes_are_listed_with_their_figures(pages, site):
    executed(site, executed=12, failed=2, milliseconds=25_000, waits=12, waited_ms=600, retried=2)
    executed(site, "Mail", executed=1, milliseconds=30)

    page = await pages.get("/metrics")

    assert rows(page.text) == {
        "Shop::Charge": ["25 s", "12", "2", "2.5 s", "50 ms"],
        "Mail": ["30 ms", "1", "0", "30 ms", NOTHING],
    }


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("", ["Slow", "Often", "Bad"]),
        ("sort=executed", ["Often", "Bad", "Slow"]),
        ("sort=failed", ["Bad", "Slow", "Often"]),
        ("sort=nonsense", ["Slow", "Often", "Bad"]),
        ("class=OFT", ["Often"]),
        ("class=(a%2B)%2B%24", []),
    ],
)
async def test_classes_are_sorted_and_filtered(query, order, pages, site):
    executed(site, "Slow", executed=1, milliseconds=50_000)
    executed(site, "Often", executed=70, milliseconds=700)
    executed(site, "Bad", executed=9, failed=9)

    assert list(rows((await pages.get(f"/metrics?{query}")).text)) == order


async def test_periods_reach_from_one_hour_to_72(pages, site):
    for name, minutes in (("Now", 0), ("Yesterday", 20 * 60), ("Before", 70 * 60)):
        executed(site, name, minutes, executed=1)

    seen = {hours: set(rows((await pages.get(f"/metrics?hours={hours}")).text)) for hours in (1, 8, 24, 72, 999)}

    assert seen == {
        1: {"Now"},
        8: {"Now"},
        24: {"Now", "Yesterday"},
        72: {"Now", "Yesterday", "Before"},
        999: {"Now"},
    }


async def test_what_ruby_executed_is_shown_with_ours(pages, site):
    executed(site, executed=3, milliseconds=30)
    for key in (keys.sidekiq7_minute(moment()), keys.sidekiq8_minute(moment())):
        # Our worker writes there as well; the rest is Ruby's.
        count(site, key, "Shop::Charge", executed=3, milliseconds=30)
    count(site, keys.sidekiq7_minute(moment()), "Ruby7", executed=7, failed=1)
    count(site, keys.sidekiq8_minute(moment()), "Ruby8", executed=8)

    page = await pages.get("/metrics")
    one = await pages.get("/metrics/Ruby7")

    assert {name: cells[1] for name, cells in rows(page.text).items()} == {
        "Shop::Charge": "3",
        "Ruby7": "7",
        "Ruby8": "8",
    }
    assert "<span>7</span> Executed" in one.text


async def test_queues_are_listed_with_the_rate_at_which_they_are_drained(pages, site):
    count(site, keys.queue_metrics(stamp(moment(), MINUTE)), "mailers", executed=90, waits=90, waited_ms=900)

    page = await pages.get("/metrics")

    row = page.text.partition('id="drained"')[2]
    assert '<a href="/queues/mailers">mailers</a>' in row
    assert ">1.5<" in row
    assert ">10 ms<" in row


async def test_one_class_has_its_time_series_histogram_and_scatter(pages, site):
    executed(site, executed=12, failed=2, milliseconds=500, retried=1, dead=1)
    executed(site, minutes_ago=30, executed=4, milliseconds=400)
    took(site, 3, 10)
    took(site, 4, 4, minutes_ago=30)

    page = await pages.get("/metrics/Shop::Charge")

    at = f"{moment():%Y-%m-%d %H:%M}:00 UTC"
    assert f"<title>{at}: 12 executed, 2 failed, 50 ms on average</title>" in page.text
    assert f"<title>{at}: 10 jobs took 45 ms to 65 ms</title>" in page.text
    assert "<title>4 jobs took 65 ms to 100 ms</title>" in page.text
    radii = [float(radius) for radius in re.findall(r'class="dot"[^>]* r="([\d.]+)"', page.text)]
    assert len(radii) == 2
    assert radii[0] < radii[1]
    assert "(1 retried, 1 dead, 0 discarded)" in page.text


async def test_columns_hold_several_minutes_where_there_are_many(open_pages, real_site, clock):
    for minutes in range(0, 470, 2):
        executed(real_site, minutes_ago=minutes, executed=1)

    async with real_site.app() as app:
        app.store.clock = clock
        page = await open_pages(of=app).get("/metrics/Shop::Charge?hours=8")

    counted = [int(number) for number in re.findall(r"UTC: (\d+) executed", page.text)]
    assert sum(counted) == 235
    assert len(counted) <= 144


async def test_deploys_are_marked(app, pages, site):
    executed(site, executed=1)
    await Deploys(app).mark("v42 <faster>")
    await Deploys(app).mark("v41", at=NOW - timedelta(hours=30))

    here, both = await pages.get("/metrics/Shop::Charge"), await pages.get("/metrics?hours=48")

    assert "<title>v42 &lt;faster&gt;</title><line" in here.text
    assert "v41" not in here.text
    assert "v41" in both.text


async def test_a_class_that_never_ran_has_a_page_that_says_so(pages):
    page = await pages.get("/metrics/Nobody")

    assert page.status_code == 200
    assert "No job was executed in this time." in page.text


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
async def test_hostile_names_are_shown_as_text(text, app, pages, site):
    executed(site, text, executed=5, milliseconds=10)
    count(site, keys.queue_metrics(stamp(moment(), MINUTE)), text, executed=5)
    await Deploys(app).mark(f"x{text}")

    page = await pages.get("/metrics")
    (address,) = re.findall(r'class="job" href="([^"]+)"', page.text)
    one = await pages.get(address.replace("&amp;", "&"))

    assert (page.status_code, one.status_code) == (200, 200)
    assert "<span>5</span> Executed" in one.text
    for html in (page.text, one.text):
        assert_harmless(html, text)


@pytest.mark.parametrize("name", ["class", "sort", "hours"])
async def test_hostile_parameters_are_shown_as_text(name, pages):
    for text in (*HOSTILE, "-1", "1e9", "9" * 3000):
        for path in ("/metrics", "/metrics/A"):
            page = await pages.get(path, params={name: text})
            assert page.status_code == 200
            assert_harmless(page.text, text)


async def test_bytes_that_are_no_text_and_odd_figures_break_nothing(pages, site):
    key = keys.job_metrics(stamp(moment(), MINUTE))
    site.client.hset(key, mapping={b"\xff\xfe|p": 3, b"A|p": b"x", b"B|p": b"9" * 30, b"C|p": b"-4", b"|p": 1, b"p": 2})
    site.client.expire(key, 1000)

    page = await pages.get("/metrics")
    (address,) = re.findall(r'class="job" href="([^"]+)"', page.text)

    assert "<span>3</span> Executed" in (await pages.get(address)).text


async def test_a_key_of_another_type_is_told_and_the_rest_is_shown(pages, site):
    executed(site, "Good", minutes_ago=1, executed=1)
    for key in (keys.job_metrics(stamp(moment(), MINUTE)), keys.deploys(moment())):
        site.client.sadd(key, "x")

    page, one = await pages.get("/metrics"), await pages.get("/metrics/Good")
    site.client.delete(keys.job_metrics(stamp(moment(), MINUTE)), keys.deploys(moment()))

    assert list(rows(page.text)) == ["Good"]
    for html in (page.text, one.text):
        assert "WRONGTYPE" in html


async def test_what_cannot_be_read_minute_by_minute_in_time_is_read_by_ten_minutes(pages, site, monkeypatch):
    monkeypatch.setattr("sidelong.web.views.metrics._JOBS_WITHIN", 0.0)
    executed(site, "Now", executed=1)
    executed(site, "Before", minutes_ago=7 * 60, executed=2)

    page = await pages.get("/metrics?hours=8")

    assert {name: cells[1] for name, cells in rows(page.text).items()} == {"Now": "1", "Before": "2"}
    assert "These are by ten minutes" in page.text


async def test_what_could_not_be_read_in_time_is_told(pages, site, monkeypatch):
    monkeypatch.setattr("sidelong.web.views.metrics._JOBS_WITHIN", 0.0)
    monkeypatch.setattr("sidelong.web.views.metrics._COARSE_WITHIN", 0.0)
    executed(site, "Now", executed=1)
    executed(site, "Before", minutes_ago=70 * 60, executed=1)

    page = await pages.get("/metrics?hours=72")
    one = await pages.get("/metrics/Now?hours=8")

    assert list(rows(page.text)) == ["Now"]
    for html in (page.text, one.text):
        assert "There was no time to read it all" in html


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/metrics", 60 * 4),
        ("/metrics?hours=8", 480 * 4),
        ("/metrics?hours=72", 432 * 3),
        ("/metrics/A?hours=8", 480 * 6),
    ],
)
async def test_the_commands_of_a_page_are_bounded(path, most, open_pages, real_site):
    async with real_site.app() as app:
        pages = open_pages(of=app, interval=3600)
        await pages.get("/")
        with Monitor(real_site.url) as monitor:
            assert (await pages.get(path)).status_code == 200

    assert len(monitor.commands) <= most + 5
    assert set(monitor.names) <= {"HGETALL", "HMGET", "GET"}
