import asyncio
import json
import time

import pytest

from sidelong import NotEnqueued, Sidelong
from sidelong.api import Filter, Queue
from sidelong.errors import Refused
from tests.integration.worker.site import Site

ODD_NAMES = ["a:b", "*", "[a-z]?", "a b\n", "é中", "queue:x", "{slot}", "\x00", "\udcff\udcfe"]


def numbered(site: Site, count: int, queue: str = "default") -> list[str]:
    """Push jobs with the numbers from 0 as jids."""
    return [json.loads(site.push("Job", number, queue=queue, jid=str(number)))["jid"] for number in range(count)]


async def test_lists_all_queues_by_name(site: Site, app: Sidelong):
    for name in ["b", "a", "c"]:
        site.push("Job", queue=name)

    assert [queue.name for queue in await Queue.all(app)] == ["a", "b", "c"]


async def test_a_queue_that_is_not_there_is_empty(app: Sidelong):
    queue = Queue(app)

    assert (queue.name, await queue.size(), await queue.latency(), await queue.is_paused()) == (
        "default",
        0,
        0.0,
        False,
    )
    assert (await queue.first(), await queue.first(3), await queue.find_job("x"), [job async for job in queue]) == (
        None, [], None, [],
    )  # fmt: skip


async def test_tells_size_latency_and_pause(site: Site, app: Sidelong):
    now = time.time()
    site.push("Job", enqueued_at=now - 100)
    site.push("Job", enqueued_at=int((now - 50) * 1000))
    site.client.sadd("paused", "default")
    queue = Queue(app)

    assert await queue.size() == 2
    assert 99 < await queue.latency() < 160
    assert await queue.is_paused()


async def test_iterates_in_the_order_of_fetching_and_backwards(site: Site, app: Sidelong):
    jids = numbered(site, 120)
    queue = Queue(app)

    assert [job.jid async for job in queue] == jids
    assert [job.jid async for job in queue.jobs(oldest_first=False)] == jids[::-1]
    assert [job.jid for job in await queue.first(70)] == jids[:70]
    assert (await queue.first()).jid == "0"
    assert {job.queue async for job in queue} == {"default"}


async def test_iterates_over_those_that_match(site: Site, app: Sidelong):
    jids = numbered(site, 60)
    site.push("Other", "needle")

    assert [job.job_class async for job in Queue(app).jobs(where=Filter(text="NEEDLE"))] == ["Other"]
    assert [job.jid async for job in Queue(app).jobs(where=Filter(job_class="Job"))] == jids


async def test_finds_and_deletes_by_jid(site: Site, app: Sidelong):
    jids = numbered(site, 120)
    queue = Queue(app)

    found = await queue.find_job("60")
    deleted = await queue.delete_job("60")

    assert (found.jid, found.args, deleted.value) == ("60", [60], found.value)
    assert await queue.delete_job("60") is None
    assert await found.delete() is False
    assert [job.jid async for job in queue] == [jid for jid in jids if jid != "60"]


async def test_deleting_one_of_two_equal_jobs_leaves_the_other(site: Site, app: Sidelong):
    raw = site.push("Job", jid="twin")
    site.push_raw(raw)

    assert await (await Queue(app).first()).delete()
    assert site.queue() == [raw]


async def test_a_job_may_be_deleted_as_it_is_read(site: Site, app: Sidelong):
    numbered(site, 230)

    for oldest_first in (True, False):
        async for job in Queue(app).jobs(oldest_first=oldest_first):
            if int(job.jid) % 2 == oldest_first:
                assert await job.delete()

    assert site.queue() == []


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_names_may_be_anything(site: Site, app: Sidelong, name: str):
    raw = name.encode("utf-8", "surrogateescape")
    site.client.sadd("queues", raw)
    site.client.lpush(b"queue:" + raw, b'{"jid":"a"}')
    site.client.sadd("paused", raw)

    (queue,) = await Queue.all(app)

    assert queue.name == name
    assert (await queue.size(), await queue.is_paused()) == (1, True)
    assert (await queue.delete_job("a")).queue == name


@pytest.mark.allow_any_keys
async def test_a_key_of_another_type_is_an_error_that_names_it(site: Site, app: Sidelong):
    site.client.set("queue:default", "x")
    site.client.set("queues", "x")
    queue = Queue(app)

    for reading in (queue.size(), queue.latency(), queue.first(), queue.first(2), queue.find_job("x")):
        with pytest.raises(Refused, match=r"WRONGTYPE.*key queue:default"):
            await reading
    with pytest.raises(Refused, match=r"WRONGTYPE.*key queues"):
        await Queue.all(app)


async def test_deletes_by_class(site: Site, app: Sidelong):
    kept = [site.push("Job" if number % 3 else "Other", number, jid=str(number)) for number in range(200)]

    assert await Queue(app).delete_by_class("Other") == 67
    assert site.queue() == [raw for raw in kept[::-1] if b"Other" not in raw]
    assert await Queue(app).delete_by_class("Other") == 0


async def test_deletes_what_matches_and_tells_how_far_it_is(site: Site, app: Sidelong):
    numbered(site, 120)
    told = []

    deleted = await Queue(app).delete_all(where=Filter(text='"jid":"1'), progress=lambda *at: told.append(at))

    assert deleted == 1 + 10 + 20
    assert told == [(50, 120), (120, 120)]
    assert await Queue(app).size() == 89


async def test_deleting_what_matches_spares_the_twin_that_came_later(site: Site, app: Sidelong):
    raw = site.push("Job", jid="twin")
    site.push_raw(raw)
    site.push("Other")

    assert await Queue(app).delete_all(where=Filter(job_class="Job")) == 2
    assert [json.loads(left)["class"] for left in site.queue()] == ["Other"]


async def test_a_progress_callback_that_raises_breaks_it_off_between_two_steps(site: Site, app: Sidelong):
    numbered(site, 120)
    site.push("Job")

    with pytest.raises(KeyboardInterrupt):
        await Queue(app).delete_all(where=Filter(text=""), progress=interrupt)

    assert len(site.queue()) == 71
    assert await Queue(app).delete_all(where=Filter(text="")) == 71


def interrupt(looked_at: int, total: int) -> None:
    raise KeyboardInterrupt


async def test_clearing_forgets_the_queue_and_keeps_others(site: Site, app: Sidelong):
    numbered(site, 3)
    site.push("Job", queue="other")

    assert await Queue(app).clear() == 3
    assert await Queue(app).clear() == 0
    assert [queue.name for queue in await Queue.all(app)] == ["other"]
    assert await Queue(app, "other").delete_all() == 1
    assert site.client.keys() == []


async def test_pauses_and_unpauses(site: Site, app: Sidelong):
    queue = Queue(app, "low")

    assert [await queue.pause(), await queue.pause(), await queue.is_paused()] == [True, False, True]
    assert site.client.smembers("paused") == {b"low"}
    assert [await queue.unpause(), await queue.unpause(), await queue.is_paused()] == [True, False, False]


@pytest.mark.allow_any_keys
async def test_steering_a_key_of_another_type_is_an_error_and_changes_nothing(site: Site, app: Sidelong):
    site.client.set("queue:default", "x")
    site.client.set("paused", "x")
    queue = Queue(app)

    for steering in (queue.clear(), queue.delete_job("x"), queue.delete_by_class("x")):
        with pytest.raises(Refused, match=r"WRONGTYPE.*key queue:default"):
            await steering
    for steering in (queue.pause(), queue.unpause(), queue.is_paused()):
        with pytest.raises(Refused, match=r"WRONGTYPE.*key paused"):
            await steering
    assert (site.client.get("queue:default"), site.client.get("paused")) == (b"x", b"x")


# Changing a job that waits


async def test_a_changed_job_is_pushed_as_the_old_one_leaves(site: Site, app: Sidelong):
    numbered(site, 3)
    job = await Queue(app).find_job("1")

    assert await job.edit({"args": ["new"], "tags": ["vip"]}) is True
    assert await job.edit({"args": ["again"]}) is False
    assert await job.delete() is False

    waiting = [json.loads(raw) for raw in site.queue()[::-1]]
    assert [(item["jid"], item["args"]) for item in waiting] == [("0", [0]), ("2", [2]), ("1", ["new"])]
    assert (waiting[2]["class"], waiting[2]["tags"], waiting[2]["created_at"]) == ("Job", ["vip"], 1795217165.5)
    assert abs(waiting[2]["enqueued_at"] - time.time()) < 60


async def test_it_enters_the_queue_that_is_named_or_that_in_which_it_was(site: Site, app: Sidelong):
    site.push_raw(b'{"class":"Job","args":[],"queue":"elsewhere","jid":"a"}')
    site.push_raw(b'{"class":"Job","args":[],"jid":"b"}')
    queue = Queue(app)

    assert await (await queue.find_job("a")).edit({"args": [1]})
    assert await (await queue.find_job("b")).edit({"queue": "low"})

    assert [json.loads(raw)["queue"] for raw in site.queue()] == ["default"]
    assert [json.loads(raw)["jid"] for raw in site.queue("low")] == ["b"]
    assert site.client.smembers("queues") == {b"default", b"low"}


async def test_changing_one_of_two_equal_jobs_leaves_the_other(site: Site, app: Sidelong):
    raw = site.push("Job", jid="twin")
    site.push_raw(raw)

    assert await (await Queue(app).first()).edit({"args": ["new"]})
    assert [json.loads(left)["args"] for left in site.queue()] == [["new"], []]


async def test_what_is_no_job_is_mended_by_a_whole_payload(site: Site, app: Sidelong):
    site.push_raw(b"no job")
    (job,) = await Queue(app).first(1)

    with pytest.raises(ValueError, match="give a whole item"):
        await job.edit({"args": []})
    with pytest.raises(TypeError, match="either"):
        await job.edit()
    assert await job.edit(item={"class": "Job", "args": [1], "queue": "default", "jid": "a"})

    assert [json.loads(raw)["args"] for raw in site.queue()] == [[1]]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"args": "no list"}, TypeError),
        ({"args": [float("nan")]}, TypeError),
        ({"class": ""}, ValueError),
        ({"queue": "a b"}, ValueError),
        ({"queue": None}, ValueError),
        ({"args": ["x" * 20_000_000]}, ValueError),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_no_job_can_be_is_refused_and_the_job_stays(changes, error, site: Site, app: Sidelong):
    raw = site.push("Job")

    with pytest.raises(error):
        await (await Queue(app).first()).edit(changes)
    assert site.queue() == [raw]


async def test_a_middleware_may_change_or_stop_what_is_changed(site: Site, app: Sidelong):
    @app.client_middleware
    async def mark(job, call_next):
        return await call_next() if job["args"] != ["stop"] and not job.update(seen=True) else None

    raw = site.push("Job")
    job = await Queue(app).first()

    with pytest.raises(NotEnqueued):
        await job.edit({"args": ["stop"]})
    assert site.queue() == [raw]
    assert await job.edit({"args": ["go"]})
    assert json.loads(site.queue()[0])["seen"] is True


@pytest.mark.allow_any_keys
async def test_a_queue_that_cannot_take_it_is_named_and_the_job_stays(site: Site, app: Sidelong):
    raw = site.push("Job")
    site.client.set("queue:odd", "x")

    with pytest.raises(Refused, match=r"WRONGTYPE.*key queue:odd"):
        await (await Queue(app).first()).edit({"queue": "odd"})
    assert site.queue() == [raw]
    assert site.client.smembers("queues") == {b"default"}


async def test_operators_who_change_delete_and_read_meet_every_job_that_stays(site: Site, app: Sidelong):
    numbered(site, 150)

    async def change(remainder: int) -> int:
        done = 0
        async for job in Queue(app).jobs(oldest_first=False):
            if int(job.jid) % 3 == remainder and job.args != ["new"]:
                done += await job.edit({"args": ["new"]})
        return done

    async def delete() -> int:
        return sum([await job.delete() async for job in Queue(app) if int(job.jid) % 3 == 1 and job.args != ["new"]])

    changed, again, deleted = await asyncio.gather(change(0), change(0), delete())

    waiting = [json.loads(raw) for raw in site.queue()]
    assert (changed + again, deleted) == (50, 50)
    assert sorted(int(item["jid"]) for item in waiting) == [number for number in range(150) if number % 3 != 1]
    assert {int(item["jid"]) % 3 for item in waiting if item["args"] == ["new"]} == {0}
