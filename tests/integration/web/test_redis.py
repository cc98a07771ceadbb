import json
import re

import pytest

from sidelong.api import DeadSet
from sidelong.api.server import redis_troubles
from tests.integration.web.test_lists import HOSTILE, assert_harmless, job
from tests.support import redis_state
from tests.support.monitor import Monitor

NOTHING = "\u2013"

pytestmark = pytest.mark.allow_any_keys

ODD = (b"\xff\xfe\x00\x01", b"a/b?c=d", b"..", b"~x", b" ", "\u202eevil".encode(), b"x" * 5000, b"<b>")


def rows(html):
    """Return the cells of the table of keys, by key."""
    found = {}
    for row in html.partition('id="keys"')[2].split("<tr>")[2:]:
        name, *cells = [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
        found[name] = cells
    return found


def text_of(html):
    """Return what the parts of a page say that show values."""
    return "\n".join(re.findall(r"<pre[^>]*>(.*?)</pre>", html, re.DOTALL)).replace("&#34;", '"')


async def test_what_redis_tells_of_itself_is_shown(open_pages, real_site):
    async with real_site.app() as app:
        pages = open_pages(of=app)
        page, home = await pages.get("/redis"), await pages.get("/")

    version = real_site.client.info("server")["redis_version"]
    for html in (page.text, home.text):
        assert f"Redis {version}" in html
        assert "connections" in html
        assert "Memory taken:" in html
    assert "noeviction" in page.text
    assert "127.0.0.1" in page.text


async def test_a_redis_that_may_lose_or_refuse_jobs_is_told(open_pages, start_redis):
    from sidelong import Sidelong

    server = start_redis()
    with server.client() as client:
        async with Sidelong(server.url) as app:
            pages = open_pages(of=app)
            sound = await pages.get("/redis")
            client.config_set("maxmemory-policy", "allkeys-lru")
            client.config_set("maxmemory", client.info("memory")["used_memory"] * 100 // 95)
            ill, home = await pages.get("/redis"), await pages.get("/")
            client.config_set("maxmemory", 0)
            client.config_set("maxmemory-policy", "noeviction")
            client.replicaof("127.0.0.1", 1)
            replica = await pages.get("/redis")

    assert "message bad" not in sound.text
    for html in (ill.text, home.text):
        assert "maxmemory-policy is allkeys-lru" in html
        assert "Redis is nearly full: 9" in html
    assert replica.status_code == 200
    assert "This Redis is a replica" in replica.text


def test_no_fact_is_needed(site):
    class Nothing:
        memory_limit = memory_share = role = policy = evicted = is_saving = is_logging = None

    assert redis_troubles(Nothing()) == []


async def test_keys_of_all_kinds_are_listed_and_explained(pages, site):
    client = site.client
    site.push("A")
    client.zadd("retry", {job(1): 5.5})
    client.hset("box:7:0123456789ab", "busy", 1)
    client.expire("box:7:0123456789ab", 50)
    client.set("stat:processed", 12)
    client.set("cache:1", "x" * 2048)
    client.xadd("events", {"a": "b"})

    listed = rows((await pages.get("/redis")).text)

    assert listed["queue:default"] == ["Jobs that wait in a queue; the newest comes first", "list", "1", NOTHING]
    assert listed["retry"][1:3] == ["zset", "1"]
    assert "What a process tells of itself" in listed["box:7:0123456789ab"][0]
    assert re.fullmatch(r"(49|50) s", listed["box:7:0123456789ab"][3])
    assert listed["cache:1"] == ["Of another program", "string", "2.0 KB", NOTHING]
    assert listed["events"][1:3] == ["stream", "1"]
    client.delete("events", "cache:1")


async def test_the_keys_that_every_sidekiq_has_come_first(pages, site):
    for number in range(300):
        site.client.set(f"app:{number}", "x")
    site.client.zadd("retry", {job(1): 5.5})
    site.push("A")

    first = list(rows((await pages.get("/redis")).text))
    filtered = rows((await pages.get("/redis?text=app")).text)

    assert first[:2] == ["queues", "retry"]
    assert first.count("retry") == 1
    assert first[2:] == sorted(first[2:])
    assert "retry" not in filtered


async def test_all_keys_come_page_by_page_and_some_by_their_names(pages, site):
    names = {f"app:{number}" for number in range(700)}
    for name in names:
        site.client.set(name, "x")

    seen, address, steps = set(), "/redis", 0
    while address:
        page = await pages.get(address)
        seen |= set(rows(page.text))
        more = re.search(r'rel="next" href="([^"]+)"', page.text)
        address, steps = more and more[1].replace("&amp;", "&"), steps + 1

    assert seen >= names
    assert 3 < steps < 20
    assert set(rows((await pages.get("/redis?text=app:69")).text)) == {"app:69", *(f"app:69{n}" for n in range(10))}
    assert rows((await pages.get("/redis?text=*")).text) == {}
    assert rows((await pages.get("/redis?text=app:[6]")).text) == {}


async def test_a_search_that_runs_out_of_time_goes_on(pages, site, monkeypatch):
    monkeypatch.setattr("sidelong.web.views.redis._WITHIN", -1.0)
    for number in range(600):
        site.client.set(f"app:{number}", "x")
    site.client.set("needle", "x")

    address, found, steps = "/redis?text=needle", set(), 0
    while address and not found:
        page = await pages.get(address)
        found |= set(rows(page.text))
        more = re.search(r'rel="next" href="([^"]+)"', page.text)
        address, steps = more and more[1].replace("&amp;", "&"), steps + 1
        assert found or "None of the keys that were looked at." in page.text

    assert found == {"needle"}


async def test_each_type_is_read_in_pages(pages, site):
    client = site.client
    client.rpush("list", *(f"l{n:03}" for n in range(60)))
    client.sadd("set", *(f"s{n:03}-{'x' * 80}" for n in range(600)))
    client.zadd("zset", {f"z{n:03}": n + 0.5 for n in range(60)})
    client.hset("hash", mapping={f"f{n:03}": f"h{n:03}-{'x' * 80}" for n in range(600)})
    client.set("string", "".join(f"{n:06}" for n in range(30_000)))
    for number in range(60):
        client.xadd("stream", {"name": f"x{number:03}"}, id=f"1-{number + 1}")

    seen = {}
    for name in ("list", "set", "zset", "hash", "stream", "string"):
        address, seen[name] = f"/redis/{name}", []
        while address:
            page = await pages.get(address)
            seen[name].append(text_of(page.text))
            more = re.search(r'rel="next" href="([^"]+)"', page.text)
            address = more and more[1].replace("&amp;", "&")
            assert len(seen[name]) < 100

    assert re.findall(r"l\d{3}", seen["list"][0]) == [f"l{n:03}" for n in range(25)]
    assert re.findall(r"z\d{3}", " ".join(seen["zset"])) == [f"z{n:03}" for n in range(60)]
    assert set(re.findall(r"s\d{3}", " ".join(seen["set"]))) == {f"s{n:03}" for n in range(600)}
    assert set(re.findall(r"h\d{3}", " ".join(seen["hash"]))) == {f"h{n:03}" for n in range(600)}
    assert re.findall(r"x\d{3}", " ".join(seen["stream"])) == [f"x{n:03}" for n in range(60)]
    assert "".join(seen["string"]) == client.get("string").decode()
    assert len(seen["set"]) > 5
    assert "0.5" in (await pages.get("/redis/zset")).text
    assert "f000" in (await pages.get("/redis/hash")).text or len(seen["hash"]) > 5
    client.flushdb()


@pytest.mark.parametrize("name", ODD, ids=ascii)
async def test_any_bytes_may_be_a_key_and_a_value(name, pages, site):
    site.client.hset(name, name, name)

    listed = await pages.get("/redis")
    addresses = re.findall(r'href="(/redis/[^"]+)"', listed.text)
    assert_harmless(listed.text, "")

    # An address has an end.
    assert len(addresses) == (len(name) < 1000)
    for address in addresses:
        page = await pages.get(address)
        assert page.status_code == 200
        assert_harmless(page.text, "")
        assert "hash" in page.text


async def test_huge_values_are_cut_where_they_are_stored(open_pages, real_site):
    client = real_site.client
    client.rpush("big", b"y" * 20_000_000, b"z" * 20_000_000)
    client.hset("fields", b"f" * 1_000_000, b"w" * 20_000_000)
    client.set("one", b"v" * 20_000_000)
    async with real_site.app() as app:
        pages = open_pages(of=app)
        before = client.info("stats")["total_net_output_bytes"]
        answers = {name: await pages.get(f"/redis/{name}") for name in ("big", "fields", "one")}
        sent = client.info("stats")["total_net_output_bytes"] - before

    for name, answer in answers.items():
        assert answer.status_code == 200
        assert len(answer.content) < 100_000, name
        assert "Cut off; it has 19.1 MB in all." in answer.text
    assert sent < 1_000_000


async def test_no_secret_of_a_payload_is_shown(pages, site):
    secret = job(7, args=[{"password": "hunter2"}], api_key="hunter2")
    encrypted = job(8, args=[1, "hunter2"], encrypt=True)
    for raw in (secret, encrypted):
        site.push_raw(raw)
        site.client.zadd("retry", {raw: 5.5})
    work = {"queue": "default", "run_at": 5, "payload": secret.decode()}
    site.client.hset("box:7:0123456789ab:work", "t", json.dumps(work))
    site.client.hset("sessions", mapping={"token": "hunter2", "name": "ada"})
    site.client.set("auth-token:ada", "hunter2")
    site.client.set("settings", json.dumps({"inner": json.dumps({"password": "hunter2"}), "shown": 1}))
    for key in ("long", "longer"):
        size = 70_000 if key == "long" else 200_000
        site.client.set(key, json.dumps({"password": "hunter2", "filler": "x" * size, "token": "hunter2"}))
    site.client.rpush("queue:big", job(9, args=["x" * 100_000, {"password": "hunter2"}]))

    for name in await keys_of(pages):
        for start in ("", "?from=20", "?from=65536", "?from=70000"):
            page = await pages.get(f"{name}{start}")
            assert page.status_code == 200
            assert "hunter2" not in page.text, name

    assert "ada" in (await pages.get("/redis/sessions")).text
    assert "Shop::Charge" in (await pages.get("/redis/retry")).text
    assert "too long to tell its secrets" in (await pages.get("/redis/long")).text


async def keys_of(pages):
    return re.findall(r'href="(/redis/[^"?]+)"', (await pages.get("/redis")).text)


async def test_names_of_queues_and_jobs_are_no_secrets(pages, site):
    site.push("A", 77, queue="tokens")
    site.client.hset("sidelong:jobs:2026-01-31T20:05", "RefreshTokens|p", 4711)

    assert "77" in text_of((await pages.get("/redis/queue:tokens")).text)
    assert "4711" in text_of((await pages.get("/redis/sidelong:jobs:2026-01-31T20:05")).text)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
async def test_hostile_text_is_shown_as_text(text, pages, site):
    client = site.client
    written = text.encode("utf-8", "surrogatepass")
    client.set(b"s:" + written, written)
    client.rpush(b"l:" + written, written)
    client.hset(b"h:" + written, written, written)
    client.zadd(b"z:" + written, {written: 1})
    client.xadd(b"x:" + written, {written: written})

    listed = await pages.get("/redis")
    addresses = re.findall(r'href="(/redis/[^"]+)"', listed.text)

    assert len(addresses) == 5
    for address in ("/redis", *addresses):
        page = await pages.get(address)
        assert page.status_code == 200
        assert_harmless(page.text, text)


@pytest.mark.parametrize("name", ["text", "from"])
async def test_hostile_parameters_are_shown_as_text(name, pages, site):
    site.client.rpush("list", "x")
    for text in (*HOSTILE, "-1", "1e9", "9" * 19, "18446744073709551615", "9" * 25, "1-2-3", "5-5", "٣"):
        for path in ("/redis", "/redis/list"):
            page = await pages.get(path, params={name: text})
            assert page.status_code == 200
            assert_harmless(page.text, text)


@pytest.mark.parametrize("kind", ["string", "list", "set", "hash", "zset", "stream"])
@pytest.mark.parametrize("start", ["18446744073709551615", "9223372036854775807", "1-1", "0-0", "7"])
async def test_a_place_that_fits_another_type_breaks_nothing(kind, start, pages, site):
    write = {
        "string": lambda: site.client.set("k", "v"),
        "list": lambda: site.client.rpush("k", "v"),
        "set": lambda: site.client.sadd("k", "v"),
        "hash": lambda: site.client.hset("k", "f", "v"),
        "zset": lambda: site.client.zadd("k", {"v": 1}),
        "stream": lambda: site.client.xadd("k", {"f": "v"}),
    }
    write[kind]()

    assert (await pages.get(f"/redis/k?from={start}")).status_code == 200


async def test_a_key_that_is_gone_is_not_found(pages, site):
    site.client.set("gone", "x", px=1)

    assert (await pages.get("/redis/gone-for-long")).status_code == 404


async def test_keys_that_vanish_while_they_are_looked_at_are_left_out(open_pages, real_site, monkeypatch):
    from sidelong.store.key_browser import KeyBrowser

    scan, get = KeyBrowser.scan, KeyBrowser.describe

    async def scan_then_delete(self, *args):
        found = await scan(self, *args)
        real_site.client.delete("b")
        return found

    async def describe_then_delete(self, *args):
        found = await get(self, *args)
        real_site.client.delete("a")
        return found

    real_site.client.set("a", 1)
    real_site.client.set("b", 2)
    async with real_site.app() as app:
        pages = open_pages(of=app)
        with monkeypatch.context() as patch:
            patch.setattr(KeyBrowser, "scan", scan_then_delete)
            listed = rows((await pages.get("/redis")).text)
        with monkeypatch.context() as patch:
            patch.setattr(KeyBrowser, "describe", describe_then_delete)
            one = await pages.get("/redis/a")

    assert set(listed) == {"a"}
    assert one.status_code == 404


async def test_what_may_not_be_read_is_told(open_pages, start_redis):
    from sidelong import Sidelong

    server = start_redis()
    with server.client() as client:
        client.set("ours", 1)
        client.set("theirs", 2)
        client.execute_command(
            *["ACL", "SETUSER", "looker", "on", ">x", "resetkeys", "~ours", "~stat:*", "~queues", "+@all", "-info"]
        )
        client.execute_command(*["ACL", "SETUSER", "blind", "on", ">x", "~*", "+@all", "-scan", "-dbsize"])
        url = server.url.replace("redis://", "redis://looker:x@")
        async with Sidelong(url) as app, Sidelong(server.url.replace("redis://", "redis://blind:x@")) as blind:
            listed = await open_pages(of=app).get("/redis")
            one = await open_pages(of=app).get("/redis/theirs")
            none = await open_pages(of=blind).get("/redis")

    assert rows(listed.text)["ours"][1] == "string"
    assert "NOPERM" in rows(listed.text)["theirs"][1]
    assert (one.status_code, none.status_code) == (200, 200)
    assert "permission" in one.text
    assert "NOPERM" in none.text


async def test_a_page_of_keys_changes_nothing_and_its_commands_are_bounded(open_pages, real_site):
    for number in range(2_000):
        real_site.client.set(f"app:{number}", "x")
    before = redis_state.dump(real_site.client)
    async with real_site.app() as app:
        pages = open_pages(of=app, interval=3600)
        await pages.get("/redis/app:1")
        with Monitor(real_site.url) as monitor:
            assert (await pages.get("/redis")).status_code == 200
        listing = monitor.names
        with Monitor(real_site.url) as monitor:
            assert (await pages.get("/redis/app:1")).status_code == 200

    assert listing["SCAN"] <= 2
    assert sum(listing.values()) <= 4 + 3 * 220
    assert set(listing) <= {"SCAN", "DBSIZE", "INFO", "PING", "TYPE", "PTTL", "STRLEN"}
    assert monitor.names == {"TYPE": 1, "PTTL": 1, "STRLEN": 1, "EVALSHA": 1}
    redis_state.assert_same(before, redis_state.dump(real_site.client))


async def test_pages_work_on_a_replica(open_pages, start_redis):
    from sidelong import Sidelong

    server = start_redis()
    with server.client() as client:
        client.zadd("dead", {job(1): 5.5})
        client.replicaof("127.0.0.1", 1)
        async with Sidelong(server.url) as app:
            assert await DeadSet(app).size() == 1
            pages = open_pages(of=app)
            statuses = {
                path: (await pages.get(path)).status_code for path in ("/", "/redis", "/redis/dead", "/metrics")
            }

    assert set(statuses.values()) == {200}
