"""What holds of every page, whatever Redis holds and however it is."""

import re
from datetime import UTC, datetime

import pytest

from sidelong import Sidelong
from sidelong.store import keys
from tests.integration.hostile_payloads.payloads import ANYTHING
from tests.integration.web.test_busy import SELF, jid, process, runs
from tests.integration.web.test_groups import seed
from tests.integration.web.test_lists import job
from tests.integration.web.test_metrics import executed, moment
from tests.support import redis_state
from tests.support.monitor import Monitor

KEY = "5.5-000000000000000000000001"
PAGES = {
    "/": "Dashboard",
    "/busy": SELF,
    f"/busy/{SELF}": "200 MB",
    f"/running/{jid('one')}": "Shop::Charge",
    "/queues": "default",
    "/queues/default": "Shop::Charge",
    f"/queues/default/jobs/{2:024x}": "It is fetched next.",
    f"/queues/default/jobs/{2:024x}/edit": "Arguments, a list in JSON",
    "/scheduled": "Shop::Charge",
    "/retries": "CardDeclined",
    "/retries/groups": "CardDeclined",
    "/dead": "CardDeclined",
    "/dead/groups": "CardDeclined",
    **{f"/{section}/{KEY}": "Arguments" for section in ("scheduled", "retries", "dead")},
    **{f"/{section}/{KEY}/edit": "Arguments, a list in JSON" for section in ("scheduled", "retries", "dead")},
    "/metrics": "Shop::Charge",
    "/metrics/Shop::Charge": "Executions",
    "/redis": "Jobs that wait in a queue",
    "/redis/retry": "Shop::Charge",
    f"/redis/{SELF}": "What a process tells of itself",
}


def fill(site):
    """Put one of everything into Redis."""
    failed = {"error_class": "CardDeclined", "error_message": "no money", "retry_count": 2, "failed_at": 5.5}
    for name in ("retry", "dead", "schedule"):
        site.client.zadd(name, {job(1, **failed): 5.5})
    site.push_raw(job(2))
    process(site)
    runs(site, "one", 40)
    executed(site, now=datetime.now(UTC), executed=5, milliseconds=50)


@pytest.mark.parametrize("path", PAGES)
async def test_it_shows_what_there_is(path, pages, site):
    fill(site)

    page = await pages.get(path)

    assert page.status_code == 200
    assert PAGES[path] in page.text


@pytest.mark.parametrize("path", PAGES)
async def test_it_has_nothing_to_show_or_says_so_where_nothing_is(path, pages):
    page = await pages.get(path)

    assert page.status_code == (200 if path.count("/") == 1 or path.endswith("groups") or "metrics" in path else 404)


async def test_it_stands_any_payload_anywhere(pages, site):
    process(site)
    for place, value in enumerate(ANYTHING):
        for field in ("class", "args", "queue", "error_class", "tags", "crashed_at", "retry_count"):
            raw = f'{{"class":"A","args":[],"jid":"{place}","{field}":{value}}}'.encode("utf-8", "surrogatepass")
            for name in ("retry", "dead", "schedule"):
                site.client.zadd(name, {raw: 1000.0 + place})
            site.push_raw(raw)
        work = f'{{"queue":{value},"run_at":{value},"payload":{value}}}'.encode("utf-8", "surrogatepass")
        site.client.hset(f"{SELF}:work", f"t{place}", work)
    site.client.expire(f"{SELF}:work", 60)

    for path in ("/busy", f"/busy/{SELF}", "/retries/groups", "/dead/groups", "/redis", f"/redis/{SELF}:work"):
        assert (await pages.get(path)).status_code == 200, path
    for key in ("retry", "dead", "schedule", "queue:default"):
        address = f"/redis/{key}"
        while address:
            page = await pages.get(address)
            assert page.status_code == 200
            more = re.search(r'rel="next" href="([^"]+)"', page.text)
            address = more and more[1].replace("&amp;", "&")


@pytest.mark.parametrize(
    "value", [b"", b"null", b"[]", b"7", b"\xff", b'{"queues":5,"weights":[[1]],"capsules":{"a":7}}']
)
async def test_it_stands_any_record_of_a_process(value, pages, site):
    site.client.sadd("processes", SELF)
    site.client.hset(
        SELF, mapping=dict.fromkeys(("info", "busy", "beat", "rss", "processed", "classes", "lag_ms"), value)
    )
    site.client.expire(SELF, 60)

    for path in ("/busy", f"/busy/{SELF}", f"/redis/{SELF}", "/"):
        assert (await pages.get(path)).status_code == 200


WRONG = (
    *("retry", "dead", "schedule", "queues", "queue:default", "processes", "paused", "dear-leader", "stat:processed"),
    *(SELF, f"{SELF}:work", "process_cleanup"),
)


@pytest.mark.parametrize("key", WRONG)
async def test_a_key_of_another_type_breaks_no_page_and_few_are_closed(key, pages, site):
    fill(site)
    site.client.delete(key)
    site.client.xadd(key, {"a": "b"})

    statuses = {path: (await pages.get(path)).status_code for path in PAGES}
    told = await pages.get(f"/redis/{key}")
    site.client.delete(key)

    assert set(statuses.values()) <= {200, 404, 503}
    assert statuses["/"] == statuses["/metrics"] == statuses["/redis"] == 200
    closed = [path for path, status in statuses.items() if status != 200]
    assert len(closed) <= 6, closed
    assert "stream" in told.text


async def test_metrics_and_deploys_of_another_type_are_told(pages, site):
    fill(site)
    now = moment(now=datetime.now(UTC))
    broken = (keys.job_metrics(f"{now:%Y-%m-%dT%H:%M}"), keys.deploys(now))
    for key in broken:
        site.client.delete(key)
        site.client.lpush(key, "x")

    statuses = {path: (await pages.get(path)).status_code for path in PAGES}
    site.client.delete(*broken)

    assert set(statuses.values()) == {200}


# How Redis is


async def test_a_replica_shows_everything_and_says_that_it_changes_nothing(open_pages, start_redis):
    server = start_redis()
    from tests.integration.worker.site import Site

    with server.client() as client:
        fill(Site(server.url, client))
        client.replicaof("127.0.0.1", 1)
        async with Sidelong(server.url) as app:
            pages = open_pages(of=app)
            statuses = {path: (await pages.get(path)).status_code for path in PAGES}
            acted = [
                await pages.act("/retries", {"action": "retry", "key": KEY}),
                await pages.act(f"/retries/{KEY}/edit", {"class": "A", "args": "[]", "queue": "low", "confirmed": "1"}),
                await pages.act(f"/busy/{SELF}", {"action": "dump"}),
            ]

    assert set(statuses.values()) == {200}
    for page in acted:
        assert page.status_code == 503
        assert "READONLY" in page.text


async def test_pages_come_where_memory_is_full(open_pages, start_redis):
    server = start_redis()
    from tests.integration.worker.site import Site

    with server.client() as client:
        fill(Site(server.url, client))
        client.config_set("maxmemory", 1)
        async with Sidelong(server.url) as app:
            pages = open_pages(of=app)
            statuses = {path: (await pages.get(path)).status_code for path in PAGES}
            home = await pages.get("/")

    assert set(statuses.values()) == {200}
    assert "Redis is nearly full" in home.text


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/", 4),
        ("/busy", 7),
        (f"/busy/{SELF}", 4),
        (f"/running/{jid('one')}", 9),
        (f"/queues/default/jobs/{2:024x}", 9),
        (f"/queues/default/jobs/{2:024x}/edit", 2),
        (f"/retries/{KEY}", 7),
        (f"/retries/{KEY}/edit", 2),
        (f"/redis/{SELF}", 4),
    ],
)
async def test_the_commands_of_a_page_are_bounded(path, most, open_pages, real_site):
    fill(real_site)
    seed(real_site, "retry", 300)
    for number in range(50):
        real_site.push_raw(job(number + 10), f"q{number}")
    others = [f"box:{number}:0123456789ab" for number in range(100, 130)]
    for identity in others:
        process(real_site, identity)
    async with real_site.app() as app:
        pages = open_pages(of=app, interval=3600)
        for _ in range(2):
            # Scripts are loaded, figures known, and the dead looked for.
            await pages.get(path)
        with Monitor(real_site.url) as monitor:
            assert (await pages.get(path)).status_code == 200

    sent = [command.name for command in monitor.commands]
    # One question about each process, where all are asked.
    for_processes = sum(any(other in " ".join(command.arguments) for other in others) for command in monitor.commands)
    assert for_processes <= 3 * len(others)
    assert len(sent) - for_processes <= most, sent


async def test_no_page_changes_anything(open_pages, real_site):
    fill(real_site)
    real_site.client.set("process_cleanup", 1, ex=60)
    before = redis_state.dump(real_site.client)
    async with real_site.app() as app:
        pages = open_pages(of=app)
        for path in PAGES:
            assert (await pages.get(path)).status_code == 200

    redis_state.assert_same(before, redis_state.dump(real_site.client))


def test_all_that_can_be_read_is_tried():
    from sidelong.web.table import ROUTES

    tried = {re.sub(r"/(?!edit$)[^/]*[0-9A-Z][^/]*|(?<=metrics)/.*|(?<=redis)/.*", "/{}", path) for path in PAGES}
    given = {re.sub(r"\{\w+\}", "{}", route.path) for route in ROUTES if route.method == "GET"}
    given = {path.replace("/queues/{}", "/queues/default", 1) for path in given}
    # These are no pages.
    assert given - tried - {"/figures", "/figures/stream", "/static/{}/{}"} == set()
