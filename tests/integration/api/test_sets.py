"""What is in the schedule, retry and dead sets, and how it is found."""

import json
from datetime import UTC, datetime

import pytest

from sidelong import Sidelong
from sidelong.api import DeadSet, Entry, Filter, JobSet, RetrySet, ScheduledSet
from sidelong.errors import EndNotReached, InvalidPayloadError, Refused
from tests.integration.worker.site import Lines, Site, payload
from tests.support.monitor import Monitor

INFINITE = float("inf")
GARBAGE = (b"", b"no json", b"[1]", b"\xff\x00", b'"text"', b"{}", b'{"jid":7}', b"null")


def seed(site: Site, name: str, count: int, **fields: object) -> list[bytes]:
    raws = [payload("Note", number, jid=f"{number:024x}", **fields) for number in range(count)]
    site.client.zadd(name, {raw: 1000.5 + number for number, raw in enumerate(raws)})
    return raws


@pytest.mark.parametrize("kind", [ScheduledSet, RetrySet, DeadSet])
async def test_entries_come_from_the_highest_score_down_or_from_the_lowest_up(
    site: Site, app: Sidelong, kind: type[JobSet]
) -> None:
    raws = seed(site, kind.name, 120)
    found = [entry async for entry in kind(app)]

    assert [entry.value for entry in found] == raws[::-1]
    assert [entry.score for entry in found] == [1000.5 + number for number in reversed(range(120))]
    assert [entry.value async for entry in kind(app).entries(earliest_first=True)] == raws
    assert await kind(app).size() == 120


@pytest.mark.parametrize("count", [3, 120])
@pytest.mark.parametrize("earliest_first", [True, False])
async def test_entries_that_are_put_off_as_they_come_come_once(
    site: Site, app: Sidelong, count: int, earliest_first: bool
) -> None:
    seed(site, "retry", count)
    came = 0

    async for entry in RetrySet(app).entries(earliest_first=earliest_first):
        came += 1
        assert came <= count
        await entry.reschedule(5000.0 + came if earliest_first else 900.0 - came)

    assert came == count


async def test_entries_that_are_put_off_by_little_come_again_but_not_for_ever(site: Site, app: Sidelong) -> None:
    seed(site, "retry", 60)
    site.client.zadd("retry", {payload("Note", 999, jid="f" * 24): 9e9})
    came = 0

    async def put_off_all() -> None:
        nonlocal came
        async for entry in RetrySet(app).entries(earliest_first=True):
            came += 1
            assert came <= 2 * 61 + 1000 + 50
            if entry.jid != "f" * 24:
                await entry.reschedule(5000.0 + came)

    with pytest.raises(EndNotReached, match=r"entries of retry were read.*there were 61 at first"):
        await put_off_all()
    assert came > 2 * 61 + 1000


@pytest.mark.parametrize("earliest_first", [True, False])
async def test_that_more_is_added_than_can_be_read_is_told_and_no_entry_that_came_is_lost(
    site: Site, app: Sidelong, earliest_first: bool
) -> None:
    seed(site, "retry", 60)
    site.client.zadd("retry", {payload("Note", end, jid=str(end) * 24): end * 1e9 for end in (0, 9)})
    found: list[str] = []

    async def read() -> None:
        async for entry in RetrySet(app).entries(earliest_first=earliest_first):
            found.append(entry.jid)
            # Always between what was read last and the end.
            number = len(found)
            at = 5e6 + number if earliest_first else 1000 - number / 1e4
            site.client.zadd("retry", {payload("More", number, jid=f"more {number}"): at})

    with pytest.raises(EndNotReached):
        await read()
    assert len(found) == len(set(found)) > 1000


async def test_a_filter_leaves_out_what_does_not_match(site: Site, app: Sidelong) -> None:
    site.client.zadd("retry", {payload("A", queue="low", tags=["x"]): 1.0, payload("B", error_class="E"): 2.0})
    site.client.zadd("retry", dict.fromkeys(GARBAGE, 3.0))

    async def classes(**conditions: str) -> list[str]:
        return [entry.job_class async for entry in RetrySet(app).entries(where=Filter(**conditions))]

    assert await classes(job_class="A") == ["A"]
    assert await classes(queue="low") == ["A"]
    assert await classes(tag="x") == ["A"]
    assert await classes(error_class="E") == ["B"]
    assert await classes(text="NO JSON") == [""]


async def test_any_bytes_are_listed_and_those_that_are_no_job_say_why(site: Site, app: Sidelong) -> None:
    site.client.zadd("dead", dict.fromkeys(GARBAGE, 5.0))

    found = {entry.value: entry async for entry in DeadSet(app)}

    assert found.keys() == set(GARBAGE)
    assert all(entry.fault for entry in found.values())
    assert [entry.value async for entry in DeadSet(app).scan("*")] != []


async def test_an_entry_tells_when_and_by_which_address(site: Site, app: Sidelong) -> None:
    scores = [1795217202.330885, 1e16, 0.00001, -INFINITE, INFINITE, 1e300, -5.5, 1795217202.0]
    site.client.zadd("retry", {payload("Note", number): score for number, score in enumerate(scores)})
    job_set = RetrySet(app)

    ids = {entry.args[0]: entry.id async for entry in job_set}
    dates = {entry.args[0]: entry.at async for entry in job_set}

    texts = ["1795217202.330885", "1.0e+16", "1.0e-05", "-Infinity", "Infinity", "1.0e+300", "-5.5", "1795217202.0"]
    assert [ids[number] for number in range(len(scores))] == [f"{text}-{'a' * 24}" for text in texts]
    assert dates[7] == datetime(2026, 11, 20, 23, 26, 42, tzinfo=UTC)
    assert [dates[number] for number in (1, 3, 4, 5)] == [None] * 4
    for number, entry_id in ids.items():
        found = await job_set.get(entry_id)
        assert found is not None
        assert found.args == [number]
        assert found.id == entry_id


async def test_what_is_fetched_can_be_limited(site: Site, app: Sidelong) -> None:
    raws = seed(site, "retry", 120)

    fetched = await RetrySet(app).fetch((1010.0, INFINITE), limit=70)

    assert [entry.value for entry in fetched] == raws[10:80]
    assert [entry.value for entry in await RetrySet(app).fetch((0.0, INFINITE), f"{99:024x}", limit=1)] == [raws[99]]
    with pytest.raises(ValueError, match="at least 1"):
        await RetrySet(app).fetch(1.0, limit=0)


@pytest.mark.parametrize("entry_id", ["", "-", "x", "1.0", "nan-a", "1.2.3-a", "99.0-aaa", "1.5-", "1.5-other"])
async def test_an_address_that_leads_nowhere_finds_nothing(site: Site, app: Sidelong, entry_id: str) -> None:
    site.client.zadd("retry", {payload("Note"): 1.5})

    assert await RetrySet(app).get(entry_id) is None


async def test_what_has_no_jid_is_found_by_its_score(site: Site, app: Sidelong) -> None:
    site.client.zadd("retry", {payload("Note"): 1.5, b"no json": 1.5})

    (entry,) = await RetrySet(app).fetch(1.5, "")

    assert entry.value == b"no json"
    assert entry.id == "1.5-"
    assert (await RetrySet(app).get("1.5-")).value == b"no json"


async def test_fetch_takes_a_score_or_a_range_and_keeps_equals_apart(site: Site, app: Sidelong) -> None:
    raws = seed(site, "schedule", 130)
    site.client.zadd("schedule", dict.fromkeys(raws[:70], 5.0))
    job_set = ScheduledSet(app)

    assert [entry.value for entry in await job_set.fetch(5.0)] == sorted(raws[:70])
    assert [entry.args for entry in await job_set.fetch(5.0, f"{7:024x}")] == [[7]]
    assert await job_set.fetch(5.0, f"{100:024x}") == []
    assert await job_set.fetch(5.1) == []
    assert [entry.args[0] for entry in await job_set.fetch((1070.5, 1072.5))] == [70, 71, 72]
    assert len(await job_set.fetch((-INFINITE, INFINITE))) == 130
    assert await job_set.fetch((3.0, 2.0)) == []
    with pytest.raises(ValueError, match="number"):
        await job_set.fetch(float("nan"))


async def test_delete_by_jid_deletes_one_of_those_with_equal_scores(site: Site, app: Sidelong) -> None:
    raws = seed(site, "retry", 3)
    site.client.zadd("retry", dict.fromkeys(raws, 5.0))

    assert await RetrySet(app).delete_by_jid(5, f"{1:024x}")
    assert not await RetrySet(app).delete_by_jid(5, f"{1:024x}")
    assert not await RetrySet(app).delete_by_jid(6, f"{2:024x}")
    assert site.client.zrange("retry", 0, -1) == [raws[0], raws[2]]


async def test_scan_matches_the_raw_json_like_sidekiq(site: Site, app: Sidelong) -> None:
    site.client.zadd("retry", {payload("Note", "é"): 1.0, payload("Other", "e"): 2.0, payload("Note", "a*b"): 3.0})

    async def found(match: str) -> list[str]:
        return sorted([entry.args[0] async for entry in RetrySet(app).scan(match)])

    assert await found("é") == ["é"]
    assert await found("Note") == ["a*b", "é"]
    assert await found('{*"Other"*') == ["e"]
    assert await found("a\\*b*") == []
    assert await found("*a\\*b*") == ["a*b"]
    assert await found("nothing") == []


async def test_scan_goes_through_a_large_set(site: Site, app: Sidelong) -> None:
    raws = seed(site, "retry", 500)

    assert {entry.value async for entry in RetrySet(app).scan("Note", 10)} == set(raws)


@pytest.mark.parametrize("jid", ["b" * 24, "é", "a*b", "[x]", 'quo"te', "back\\slash", "\n"])
async def test_find_job_takes_a_jid_literally(site: Site, app: Sidelong, jid: str) -> None:
    raw = payload("Note", jid=jid)
    escaped = json.dumps({"class": "Note", "args": [2], "jid": jid}).encode()
    mention = payload("Note", jid)
    site.client.zadd("retry", {raw: 1.0, mention: 2.0, b"garbage " + jid.encode(): 3.0})
    site.client.zadd("dead", {escaped: 1.0})

    found = await RetrySet(app).find_job(jid)

    assert found is not None
    assert found.value == raw
    assert found.score == 1.0
    assert (await DeadSet(app).find_job(jid)).value == escaped
    assert await RetrySet(app).find_job("c" * 24) is None
    assert await RetrySet(app).find_job("") is None


async def test_schedule_puts_a_payload_at_a_time(site: Site, app: Sidelong) -> None:
    item = {"class": "Note", "args": [1e-5, "é"], "jid": "b" * 24, "at": 7.0}
    await ScheduledSet(app).schedule(1795217202.330885, item)
    await RetrySet(app).schedule(datetime(2030, 1, 1, tzinfo=UTC), item)

    raw = '{"class":"Note","args":[1.0e-05,"é"],"jid":"bbbbbbbbbbbbbbbbbbbbbbbb"}'.encode()
    assert site.client.zrange("schedule", 0, -1, withscores=True) == [(raw, 1795217202.330885)]
    assert site.client.zrange("retry", 0, -1, withscores=True) == [(raw, 1893456000.0)]
    for wrong in (float("nan"), INFINITE, datetime(2030, 1, 1)):
        with pytest.raises(ValueError, match="time"):
            await ScheduledSet(app).schedule(wrong, item)
    with pytest.raises(InvalidPayloadError, match="nan"):
        await ScheduledSet(app).schedule(1.0, {"args": [float("nan")]})


async def test_clear_removes_all_and_says_how_many(site: Site, app: Sidelong) -> None:
    seed(site, "retry", 7)

    assert await RetrySet(app).clear() == 7
    assert await RetrySet(app).clear() == 0
    assert site.state() == {}


async def test_kill_puts_a_payload_into_the_dead_set_and_tells_the_handlers(site: Site, app: Sidelong) -> None:
    told: list[tuple[dict, BaseException]] = []
    app.death_handler(lambda job, error: told.append((job, error)))
    reason = LookupError("no")
    item = {"class": "Note", "args": [], "jid": "b"}
    await DeadSet(app).kill(item)
    await DeadSet(app).kill('{"class":"Other"}', ex=reason)
    await DeadSet(app).kill(payload("Third"), notify_failure=False)
    await DeadSet(app).kill(b"no json")

    assert [(job["class"], type(error).__name__) for job, error in told] == [("Note", "Kill"), ("Other", "LookupError")]
    assert told[1][1] is reason
    scores = dict(site.client.zrange("dead", 0, -1, withscores=True))
    assert scores.keys() == {
        b'{"class":"Note","args":[],"jid":"b"}',
        b'{"class":"Other"}',
        payload("Third"),
        b"no json",
    }
    assert all(-60 < site.seconds_until(score) <= 0 for score in scores.values())


async def test_the_dead_set_is_trimmed_by_age_and_to_one_fewer_than_its_limit(site: Site, log: Lines) -> None:
    async with site.app(dead_max_jobs=3, dead_timeout=1000.0) as app:
        dead = DeadSet(app)
        now = site.client.time()[0]
        site.client.zadd("dead", {b"old": now - 2000, b"1": now - 3, b"2": now - 2, b"3": now - 1})
        await dead.kill(b"4", trim=False)
        assert await dead.size() == 5
        assert await dead.trim() == 3
        assert site.client.zrange("dead", 0, -1) == [b"3", b"4"]
        await dead.kill(b"5")

        assert site.client.zrange("dead", 0, -1) == [b"4", b"5"]
        assert (dead.max_jobs, dead.timeout) == (3, 1000.0)
        assert log.containing("3 entries were trimmed")


@pytest.mark.allow_any_keys
async def test_a_key_of_another_type_is_a_clear_error_everywhere(site: Site, app: Sidelong) -> None:
    site.client.rpush("dead", "x")
    dead = DeadSet(app)
    entry = Entry(app, "dead", b"x", 1.0)

    async def listed() -> list[Entry]:
        return [entry async for entry in dead]

    asked = [dead.size(), listed(), dead.find_job("a"), dead.fetch(1), dead.get("1.0-a"), dead.delete_by_jid(1, "a")]
    asked += [dead.schedule(1, {}), dead.clear(), dead.retry_all(), dead.kill_all(), dead.delete_all()]
    asked += [dead.kill(b"x"), entry.delete(), entry.reschedule(5), entry.kill()]
    for each in asked:
        with pytest.raises(Refused, match=r"WRONGTYPE.*dead"):
            await each
    await dead.trim()
    assert site.client.lrange("dead", 0, -1) == [b"x"]


async def test_any_id_is_looked_for_with_one_pattern_that_is_quick(real_site: Site):
    jid = "!".join("abcdefgh" * 20)
    real_site.client.zadd("retry", {payload("Job", jid=jid): 5.5, payload("Job", jid="other"): 6.5})
    async with real_site.app() as app:
        with Monitor(real_site.url) as monitor:
            entry = await RetrySet(app).find_job(jid)

    assert entry is not None
    assert entry.jid == jid
    (sent,) = [command for command in monitor.commands if command.name == "ZSCAN"]
    assert " ".join(sent.arguments).count("*") == 2
