import pytest
import redis

from tests.support.redis_state import (
    Entry,
    assert_same,
    differences,
    dump,
    payloads,
    places,
    restore,
    without,
)

pytestmark = pytest.mark.allow_any_keys

EVERYTHING = {
    "a string": Entry("string", b"\xff\x00"),
    "queue:default": Entry("list", [b"new", b"same", b"same", b"old"]),
    "queues": Entry("set", frozenset({b"default", b"low"})),
    "identity": Entry("hash", {b"busy": b"1"}, ttl=60.0),
    "retry": Entry("zset", {b"one": 1.5, b"two": 1e10}),
    "stream": Entry("stream", [(b"1-1", {b"field": b"value"})]),
    b"not utf-8 \xff".decode("utf-8", "surrogateescape"): Entry("string", b"x"),
}


def test_what_is_restored_is_dumped_again(redis_client: redis.Redis) -> None:
    redis_client.set("in the way", 1)

    restore(redis_client, EVERYTHING)

    assert_same(EVERYTHING, dump(redis_client))
    assert redis_client.get(b"not utf-8 \xff") == b"x"
    assert 0 < redis_client.ttl("identity") <= 60


def test_an_empty_database_is_an_empty_state(redis_client: redis.Redis) -> None:
    assert dump(redis_client) == {}


def test_names_every_key_that_differs() -> None:
    after = {
        **without(EVERYTHING, "queue:", "stream"),
        "identity": Entry("hash", {b"busy": b"1"}),
        "retry": Entry("list", [b"one"]),
        "fresh": Entry("string", b"1"),
    }

    assert [line.split(":")[0] for line in differences(EVERYTHING, after)] == [
        "'fresh'",
        "'identity'",
        "'queue",
        "'retry'",
        "'stream'",
    ]
    with pytest.raises(AssertionError, match="'queue:default': is gone"):
        assert_same(EVERYTHING, after)


def test_the_time_left_of_an_expiry_does_not_differ() -> None:
    assert_same({"key": Entry("string", b"1", ttl=5.0)}, {"key": Entry("string", b"1", ttl=4.0)})


def test_finds_every_place_that_holds_a_job() -> None:
    state = {
        "queue:a": Entry("list", [b'{"jid":"1"}', b"not json", b'{"jid":"1"}']),
        "retry": Entry("zset", {b'{"jid":"2"}': 1.0, b"[]": 2.0}),
        "sidelong:inflight:host:1:0123456789ab:a": Entry("list", [b'{"jid":"1"}']),
        "queues": Entry("set", frozenset({b'{"jid":"3"}'})),
        "dead": Entry("string", b'{"jid":"4"}'),
    }

    assert places(state) == {
        "1": ["queue:a", "queue:a", "sidelong:inflight:host:1:0123456789ab:a"],
        "2": ["retry"],
    }
    assert payloads(state)["queue:a"] == [b'{"jid":"1"}', b"not json", b'{"jid":"1"}']
