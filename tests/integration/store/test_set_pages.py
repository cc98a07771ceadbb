"""Sets that change while they are read; on the embedded store and on a real server."""

import random

import pytest

from sidelong.errors import Refused
from sidelong.store.set_pages import Direction, Member, SetPages, literal
from sidelong.store.sets import Move
from sidelong.store.store import Store
from tests.integration.store.conftest import StoreMaker
from tests.integration.worker.conftest import site
from tests.integration.worker.site import Site

__all__ = ["site"]

INFINITE = float("inf")


@pytest.fixture
def store(site: Site, new_store: StoreMaker) -> Store:
    return new_store(site.url)


@pytest.fixture
async def pages(store: Store) -> SetPages:
    return SetPages(store.admin, store.scripts, store.config)


async def read_all(
    pages: SetPages, direction: Direction, limit: int = 7, *, start: float | None = None
) -> list[Member]:
    found: list[Member] = []
    page = await pages.page("retry", direction, limit, start=start)
    while page:
        found += page
        page = await pages.page("retry", direction, limit, after=page[-1])
    return found


async def test_pages_come_in_the_order_of_scores_and_then_of_bytes(site: Site, pages: SetPages) -> None:
    members = {f"é{number:03}".encode() + b"\xff" * (number % 3): float(number % 4) for number in range(200)}
    members |= {b"": 1.0, b"\x00": 1.0, b"first": -INFINITE, b"last": INFINITE, b"tiny": 5e-324, b"huge": 1e300}
    site.client.zadd("retry", members)

    ordered = sorted(members.items(), key=lambda member: (member[1], member[0]))
    assert await read_all(pages, "up") == ordered
    assert await read_all(pages, "down") == ordered[::-1]
    assert await read_all(pages, "up", 500) == ordered


@pytest.mark.parametrize("direction", ["up", "down"])
async def test_what_stays_comes_once_whatever_else_comes_and_goes(
    site: Site, pages: SetPages, direction: Direction
) -> None:
    draw = random.Random(1)
    stays = {b"stays %d" % number: float(number % 3) for number in range(300)}
    passes = {b"passes %d" % number: float(number % 3) for number in range(300)}
    site.client.zadd("retry", stays | passes)

    found: list[Member] = []
    page = await pages.page("retry", direction, 10)
    while page:
        found += page
        gone = [page[-1][0], *draw.sample(sorted(passes), 10)]
        site.client.zrem("retry", *[member for member in gone if member in passes])
        site.client.zadd("retry", {b"new %d" % draw.randrange(9999): float(draw.randrange(3)) for _ in range(5)})
        page = await pages.page("retry", direction, 10, after=page[-1])

    assert [member for member in found if member[0] in stays] == sorted(
        stays.items(), key=lambda member: (member[1], member[0]), reverse=direction == "down"
    )
    assert len(found) == len({member for member, _ in found})


async def test_a_page_may_begin_at_a_score_with_all_that_have_it(site: Site, pages: SetPages) -> None:
    members = {b"": 2.5, b"a": 2.5, b"b": 2.5, b"less": 2.4999999999999996, b"more": 2.5000000000000004}
    site.client.zadd("retry", members)

    assert [raw for raw, _ in await read_all(pages, "up", 1, start=2.5)] == [b"", b"a", b"b", b"more"]
    assert [raw for raw, _ in await read_all(pages, "down", 1, start=2.5)] == [b"b", b"a", b"", b"less"]
    assert await read_all(pages, "up", start=3.0) == []


async def test_equals_with_a_long_common_beginning_are_told_apart(site: Site, pages: SetPages) -> None:
    members = [b"x" * 100_000 + b"%04d" % number for number in range(40)]
    site.client.zadd("retry", dict.fromkeys(members, 1.0))

    found = await pages.page("retry", "up", 20)
    site.client.zrem("retry", found[-1][0])
    found += await pages.page("retry", "up", 20, after=found[-1])

    assert [raw for raw, _ in found] == members


@pytest.mark.allow_any_keys
async def test_a_key_of_another_type_is_told_by_name_and_left_alone(site: Site, pages: SetPages) -> None:
    site.client.set("retry", "text")

    for ask in (
        pages.size("retry"),
        pages.page("retry", "up", 1),
        pages.scan("retry", b"*", 10),
        pages.add("retry", b"{}", 1.0),
        pages.clear("retry"),
    ):
        with pytest.raises(Refused, match="retry") as caught:
            await ask
        assert caught.value.code == "WRONGTYPE"
    assert site.client.get("retry") == b"text"


@pytest.mark.parametrize("text", ["a*b", "a?b", "[ab]", "a\\b", "a^b", "é", "]", "-"])
async def test_a_literal_pattern_matches_nothing_else(site: Site, pages: SetPages, text: str) -> None:
    site.client.zadd("retry", {text.encode(): 1.0, b"axb": 1.0, b"a": 1.0, b"a\\xb": 1.0, b"": 1.0})

    assert await pages.scan("retry", literal(text).encode(), 100) == (0, [(text.encode(), 1.0)])


async def test_a_score_survives_the_way_to_redis_and_back(site: Site, pages: SetPages, store: Store) -> None:
    draw = random.Random(2)
    scores = [draw.uniform(0, 4e9) for _ in range(200)] + [0.1 + 0.2, 1e16, 1.7976931348623157e308, 5e-324, -0.5]
    site.client.zadd("retry", {b"%d" % number: score for number, score in enumerate(scores)})

    for raw, score in await read_all(pages, "up"):
        assert score == scores[int(raw)]
        moved = await store.timed_sets(store.admin).move("retry", [Move(raw, "at", at=score * 0.7, seen_at=score)])
        assert moved == ["at"]
        assert site.client.zscore("retry", raw) == score * 0.7


async def test_what_has_an_infinite_score_can_be_moved(site: Site, store: Store) -> None:
    site.client.zadd("schedule", {b"a": INFINITE, b"b": -INFINITE, b"c": 1.0})
    moves = [
        Move(b"a", "drop", seen_at=INFINITE),
        Move(b"b", "drop", seen_at=-INFINITE),
        Move(b"c", "drop", seen_at=INFINITE),
    ]

    assert await store.timed_sets(store.admin).move("schedule", moves) == ["drop", "drop", "gone"]
    assert site.client.zrange("schedule", 0, -1) == [b"c"]


async def test_a_due_move_leaves_what_was_put_off_meanwhile(site: Site, store: Store) -> None:
    site.client.zadd("retry", {b"{}": site.client.time()[0] + 1000.0})

    assert await store.timed_sets(store.admin).move("retry", [Move(b"{}", "queue", "a", b"{}")]) == ["gone"]
    assert site.client.zcard("retry") == 1
    assert not site.client.exists("queue:a")


@pytest.mark.allow_any_keys
async def test_what_was_chosen_stays_if_its_queue_cannot_take_it(site: Site, store: Store) -> None:
    site.client.zadd("retry", {b"{}": 1.0})
    site.client.set("queue:a", "text")

    (answer,) = await store.timed_sets(store.admin).move("retry", [Move(b"{}", "queue", "a", b"{}", seen_at=1.0)])

    assert answer.startswith("WRONGTYPE")
    assert site.client.zrange("retry", 0, -1) == [b"{}"]
    assert not site.client.exists("dead")
