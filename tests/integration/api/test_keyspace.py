import pytest

from sidelong import Sidelong
from sidelong.api import Keyspace
from tests.integration.worker.site import Site

pytestmark = pytest.mark.allow_any_keys


async def test_every_key_is_found_with_what_is_known_of_it(site: Site, app: Sidelong):
    site.push("Job")
    site.client.set("cache", "x" * 10, ex=100)

    found = {key.name: key for key in (await Keyspace(app).scan()).keys}

    assert await Keyspace(app).size() == len(found) == 3
    assert (found["queue:default"].type, found["queue:default"].size, found["queue:default"].kind) == (
        *("list", 1),
        "queue",
    )
    assert found["queue:default"].ttl is None
    cache = found["cache"]
    assert (cache.type, cache.size, cache.kind) == ("string", 10, None)
    assert cache.ttl is not None
    assert 90 < cache.ttl <= 100


async def test_names_of_any_bytes_are_found_again(site: Site, app: Sidelong):
    name = b"\xff*[\n"
    site.client.rpush(name, b"\xfe\x00")
    site.client.set("other", 1)

    (found,) = (await Keyspace(app).scan(text="*[")).keys
    elements = await Keyspace(app).read(found.name)

    assert found.name.encode("utf-8", "surrogateescape") == name
    assert [[part.begin for part in parts] for parts in elements.items] == [[b"\xfe\x00"]]
    assert elements.next == ""


async def test_a_key_that_is_not_there_holds_nothing(app: Sidelong):
    assert await Keyspace(app).get("nothing") is None
    assert (await Keyspace(app).read("nothing")).type == "none"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("string", [["stri"]]),
        ("list", [["a"], ["long"]]),
        ("set", [["longer"[:4]]]),
        ("zset", [["1.5", "long"]]),
        ("hash", [["long", "valu"]]),
        ("stream", [["1-1", "a", "long"]]),
    ],
)
async def test_long_values_are_cut_and_say_how_long_they_are(
    kind: str, expected: list[list[str]], site: Site, app: Sidelong
):
    client = site.client
    {
        "string": lambda: client.set("k", "string"),
        "list": lambda: client.rpush("k", "a", "longer"),
        "set": lambda: client.sadd("k", "longer"),
        "zset": lambda: client.zadd("k", {"longer": 1.5}),
        "hash": lambda: client.hset("k", "longer", "value"),
        "stream": lambda: client.xadd("k", {"a": "longer"}, id="1-1"),
    }[kind]()

    found = await Keyspace(app).read("k", most_bytes=4)

    assert found.type == kind
    assert [[part.begin.decode() for part in parts] for parts in found.items] == expected
    last = found.items[-1][-1]
    assert (last.is_whole, last.size > 4) == (False, True)
