"""One verb for many jobs in several parts, each of which goes on where the one before was broken off."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from sidelong import Sidelong
from sidelong.api import BulkOutcome, Filter, Queue, RetrySet
from sidelong.api.marks import MarkError, write_mark
from tests.integration.worker.site import Site, payload

LAST = Filter(tag="last")
Part = Callable[[str | None], Awaitable[BulkOutcome]]


def job(number: int, *, is_last: bool = False, **fields: Any) -> bytes:
    return payload("Note", number, jid=f"{number:024x}", tags=["last"] if is_last else ["first"], **fields)


async def parts(act: Part) -> AsyncIterator[BulkOutcome]:
    after = None
    while True:
        outcome = await act(after)
        yield outcome
        if outcome.is_complete:
            assert outcome.goes_on is None
            return
        after = outcome.goes_on


def of_set(app: Sidelong, verb: str, where: Filter = LAST) -> Part:
    async def act(after: str | None) -> BulkOutcome:
        outcome: BulkOutcome = await getattr(RetrySet(app), verb)(where=where, within=0.0, after=after)
        return outcome

    return act


def of_queue(app: Sidelong, where: Filter = LAST) -> Part:
    async def act(after: str | None) -> BulkOutcome:
        return await Queue(app).delete_some(where=where, within=0.0, after=after)

    return act


@pytest.mark.parametrize("verb", ["retry_all", "enqueue_all", "kill_all", "delete_all"])
@pytest.mark.parametrize("score", [lambda number: 1000.0 + number, lambda number: 5.5], ids=["scores", "one-score"])
@pytest.mark.parametrize("size", [0, 3000])
async def test_a_set_is_looked_at_once_in_parts(
    verb: str, score: Callable[[int], float], size: int, site: Site, app: Sidelong
) -> None:
    # What is meant stands behind all others, also in the order of bytes.
    note = "x" * size
    site.client.zadd("retry", {job(number, note=note): score(number) for number in range(350)})
    site.client.zadd("retry", {job(number, is_last=True, note=note): score(number) for number in range(350, 420)})

    outcomes = [outcome async for outcome in parts(of_set(app, verb))]

    assert sum(outcome.done for outcome in outcomes) == 70
    # Steps of a hundred; a last one may find that there is nothing more.
    assert len(outcomes) in (5, 6)
    assert site.client.zcard("retry") == 350
    site.client.delete("retry", "dead")


async def test_what_is_added_behind_the_end_after_the_first_part_is_not_meant(site: Site, app: Sidelong) -> None:
    site.client.zadd("retry", {job(number, is_last=True): 1000.0 + number for number in range(250)})
    act = of_set(app, "retry_all")

    first = await act(None)
    site.client.zadd("retry", {job(999, is_last=True): 99_999.0, job(998, is_last=True): 1120.5})
    second = await act(first.goes_on)
    third = await act(second.goes_on)

    assert (first.done, second.done, third.done, third.is_complete) == (100, 100, 51, True)
    assert [json.loads(raw)["args"] for raw in site.client.zrange("retry", 0, -1)] == [[999]]


async def test_a_queue_is_looked_at_once_in_parts_while_it_moves(site: Site, app: Sidelong) -> None:
    for number in range(500):
        site.push_raw(job(number, is_last=number >= 400 or number % 50 == 0))
    looked_at: list[int] = []

    async def act(after: str | None) -> BulkOutcome:
        outcome = await Queue(app).delete_some(
            where=LAST, within=0.0, after=after, progress=lambda done, total: looked_at.append(done)
        )
        # Workers fetch at one end, and jobs are pushed at the other.
        site.client.rpop("queue:default", 20)
        site.push_raw(job(1000 + len(looked_at)))
        return outcome

    done = sum([outcome.done async for outcome in parts(act)])

    left = [json.loads(raw) for raw in site.queue()]
    assert [item["args"][0] for item in left if item["tags"] == ["last"]] == []
    assert done >= 100
    assert sum(looked_at) < 600


async def test_where_the_last_job_was_deleted_by_others_all_are_looked_at_again(site: Site, app: Sidelong) -> None:
    for number in range(120):
        site.push_raw(job(number, is_last=number >= 100))
    act = of_queue(app)

    first = await act(None)
    site.client.lrem("queue:default", 1, job(49))
    others = [outcome.done async for outcome in parts(lambda after: act(after or first.goes_on))]

    assert (first.done, sum(others)) == (0, 20)
    assert len(site.queue()) == 99


async def test_a_queue_without_its_jobs_has_come_to_an_end(site: Site, app: Sidelong) -> None:
    for number in range(120):
        site.push_raw(job(number))
    act = of_queue(app)

    first = await act(None)
    site.client.delete("queue:default")

    assert (await act(first.goes_on)) == BulkOutcome()


@pytest.mark.parametrize(
    "mark",
    ["", "!", "x" * 5000, "é", "AAAA", write_mark((1, 2)), write_mark(((b"a", float("nan")), (b"b", 1.0)))],
    ids=lambda mark: ascii(mark)[:12],
)
async def test_what_is_no_mark_is_refused_before_anything_is_done(mark: str, site: Site, app: Sidelong) -> None:
    site.client.zadd("retry", {job(1, is_last=True): 5.5})
    site.push_raw(job(1, is_last=True))

    with pytest.raises(MarkError):
        await of_set(app, "delete_all")(mark)
    with pytest.raises(MarkError):
        await of_queue(app)(mark)

    assert (site.client.zcard("retry"), len(site.queue())) == (1, 1)
