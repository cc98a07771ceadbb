import time
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidelong import Sidelong
from sidelong.api import Queue, ScheduledSet
from sidelong.store.embedded import embedded_server, embedded_servers, forget_embedded_server
from sidelong.store.embedded_snapshot import restore_embedded, save_embedded
from tests.support.eventually import eventually_sync

READERS = {
    b"string": lambda client, key: client.get(key),
    b"list": lambda client, key: client.lrange(key, 0, -1),
    b"set": lambda client, key: client.smembers(key),
    b"hash": lambda client, key: client.hgetall(key),
    b"zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
}


@pytest.fixture(autouse=True)
def _only_this_test():
    for name in embedded_servers():
        forget_embedded_server(name)
    yield
    for name in embedded_servers():
        forget_embedded_server(name)


@pytest.fixture
def name():
    return uuid4().hex


def state(name):
    with embedded_server(name).client() as client:
        return {
            key: (READERS[client.type(key)](client, key), client.execute_command("PEXPIRETIME", key))
            for key in client.keys("*")
        }


def in_a_new_process(path):
    """Save, forget all as a new process has, and restore."""
    save_embedded(path)
    for name in embedded_servers():
        forget_embedded_server(name)
    restore_embedded(path)


def test_all_types_and_expiries_come_back(name, tmp_path):
    soon = int(time.time() * 1000) + 3_600_123
    with embedded_server(name).client() as client:
        client.set("stat:processed", 7)
        client.set("sidelong:lease", b"", pxat=soon)
        client.setbit("histogram", 17, 1)
        client.rpush("queue:default", b"\x00\xff", b"two", b"two")
        client.rpush("queue:long", *range(1201))
        client.sadd("queues", "default", "mail")
        client.hset("figures", mapping={"a|p": 1, b"\xfe": b""})
        client.zadd("schedule", {"a": 1790000000.123456, "b": -0.1, "c": float("inf")})
        client.zadd("retry", {f"{number}": number / 7 for number in range(601)})
        client.pexpireat("figures", soon)
    before = state(name)

    in_a_new_process(tmp_path / "snapshot")

    assert state(name) == before
    assert len(before) == 9


@given(
    strings=st.dictionaries(st.binary(min_size=1), st.binary()),
    entries=st.dictionaries(st.binary(), st.floats(allow_nan=False)),
)
def test_any_bytes_and_any_score_come_back(tmp_path_factory, strings, entries):
    forget_embedded_server("any")
    with embedded_server("any").client() as client:
        for key, value in strings.items():
            client.set(b"string:" + key, value)
        if entries:
            client.zadd("entries", entries)
    before = state("any")

    in_a_new_process(tmp_path_factory.getbasetemp() / "any-bytes")

    assert state("any") == before


def test_each_store_comes_back_under_its_own_name(tmp_path):
    for name in ("", "shop"):
        with embedded_server(name).client() as client:
            client.set("name", name)

    in_a_new_process(tmp_path / "snapshot")

    assert {name: state(name)[b"name"][0] for name in embedded_servers()} == {"": b"", "shop": b"shop"}


def test_what_has_expired_meanwhile_is_gone(name, tmp_path):
    with embedded_server(name).client() as client:
        client.set("gone", 1, px=1)
        client.set("kept", 1)
        eventually_sync(lambda: not client.exists("gone"))

    in_a_new_process(tmp_path / "snapshot")

    assert list(state(name)) == [b"kept"]


def test_no_half_written_file_takes_the_place_of_a_whole_one(name, tmp_path):
    path = tmp_path / "snapshot"
    path.write_bytes(b"whole")
    (tmp_path / "snapshot.new").mkdir()

    with pytest.raises(OSError, match=r"snapshot\.new"):
        save_embedded(path)

    assert path.read_bytes() == b"whole"


async def test_jobs_come_back_as_they_were(name, tmp_path):
    app = Sidelong(f"memory://{name}")

    @app.job(name="charge")
    async def charge(order_id): ...

    async with app:
        first = await charge.enqueue(1)
        second = await charge.enqueue_in(3600, 2)

    in_a_new_process(tmp_path / "snapshot")

    async with Sidelong(f"memory://{name}") as again:
        assert [(job.jid, job.args) async for job in Queue(again, "default")] == [(first.jid, [1])]
        assert [(job.jid, job.args) async for job in ScheduledSet(again)] == [(second.jid, [2])]
