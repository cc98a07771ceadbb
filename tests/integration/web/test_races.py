"""Two operators, or an operator and a worker, are about the same job: it is done once, and both are told the truth."""

import asyncio
import itertools
import json
import re
import time
from collections import Counter

import pytest

from sidelong.web import dashboard
from tests.support.browser import Browser

SETS = {"/retries": "retry", "/scheduled": "schedule", "/dead": "dead"}
OFFERED = {"/retries": ("retry", "kill", "delete"), "/scheduled": ("enqueue", "delete"), "/dead": ("retry", "delete")}
DONE = {"retry": "retried", "kill": "killed", "delete": "deleted", "enqueue": "enqueued"}
GONE = "Already gone"
PAIRS = [
    (path, first, second)
    for path, actions in OFFERED.items()
    for first, second in itertools.combinations_with_replacement(actions, 2)
]


@pytest.fixture
async def two(site):
    """The pages of two web processes on one Redis."""
    async with (
        site.app() as here,
        site.app() as there,
        Browser(dashboard(here, auth=None)) as one,
        Browser(dashboard(there, auth=None)) as other,
    ):
        yield one, other


def job(number):
    return json.dumps({"class": "A", "args": [number], "queue": "default", "jid": f"j{number}"}).encode()


def fill(site, path, count):
    site.client.zadd(SETS[path], {job(number): float(5_000_000_000 + number) for number in range(count)})
    return [f"{5_000_000_000 + number}.0-j{number}" for number in range(count)]


def where(site):
    """Return how often each job stands in each place."""
    raws = {"queue": site.queue(), **{name: site.client.zrange(name, 0, -1) for name in SETS.values()}}
    return Counter((json.loads(raw)["jid"], name) for name, found in raws.items() for raw in found)


def told(page, action):
    """Return how many jobs a page says it was done to, and how many were gone."""
    if GONE in page.text:
        return 0, 1
    done = re.search(rf"([\d,]+) jobs? {DONE[action]}\.(?: ([\d,]+) (?:was|were) already gone)?", page.text)
    assert done, "the page says nothing of it"
    return tuple(int((count or "0").replace(",", "")) for count in done.groups())


def goal(path, action):
    return {"retry": "queue", "enqueue": "queue", "kill": "dead"}.get(action)


@pytest.mark.parametrize(("path", "first", "second"), PAIRS)
async def test_two_operators_act_on_one_job_at_once(path, first, second, two, site):
    (key,) = fill(site, path, 1)

    pages = await asyncio.gather(
        *(
            browser.act(path, {"action": action, "key": key, "confirmed": "1"})
            for browser, action in zip(two, (first, second), strict=True)
        )
    )

    answers = [told(page, action) for page, action in zip(pages, (first, second), strict=True)]
    assert sorted(answers) == [(0, 1), (1, 0)]
    winner = (first, second)[answers.index((1, 0))]
    place = goal(path, winner)
    assert where(site) == Counter([("j0", place)] if place else [])


@pytest.mark.parametrize(("path", "first", "second"), PAIRS)
async def test_two_operators_act_on_the_same_jobs_at_once(path, first, second, two, site):
    keys = fill(site, path, 40)
    # Half of them are ticked by both.
    choices = (keys[:30], keys[10:])

    pages = await asyncio.gather(
        *(
            browser.act(path, {"action": action, "key": chosen, "confirmed": "1"})
            for browser, action, chosen in zip(two, (first, second), choices, strict=True)
        )
    )

    answers = [told(page, action) for page, action in zip(pages, (first, second), strict=True)]
    found = where(site)
    assert [done + gone for done, gone in answers] == [30, 30]
    assert sum(done for done, _ in answers) == 40
    assert max(found.values(), default=1) == 1
    moved = Counter(place for _, place in found)
    wanted = Counter()
    for (done, _), action in zip(answers, (first, second), strict=True):
        if place := goal(path, action):
            wanted[place] += done
    assert moved == wanted


@pytest.mark.parametrize(("path", "first", "second"), PAIRS)
async def test_two_operators_act_on_a_whole_list_at_once(path, first, second, two, site):
    fill(site, path, 350)

    pages = await asyncio.gather(
        *(
            browser.act(path, {"action": action, "all": "1", "class": "A", "confirmed": "1"})
            for browser, action in zip(two, (first, second), strict=True)
        )
    )

    counts = [told(page, action)[0] for page, action in zip(pages, (first, second), strict=True)]
    found = where(site)
    assert sum(counts) == 350
    assert max(found.values(), default=1) == 1
    wanted = Counter()
    for done, action in zip(counts, (first, second), strict=True):
        if done and (place := goal(path, action)):
            wanted[place] += done
    assert Counter(place for _, place in found) == wanted


async def test_a_job_that_was_retried_and_has_failed_again_is_another_entry(pages, site):
    (key,) = fill(site, "/retries", 1)
    site.client.delete("retry")
    again = json.dumps({**json.loads(job(0)), "retry_count": 1}).encode()
    site.client.zadd("retry", {again: 5_000_000_777.0})

    page = await pages.act("/retries", {"action": "delete", "key": key, "confirmed": "1"})

    assert GONE in page.text
    assert site.client.zrange("retry", 0, -1) == [again]
    site.client.delete("retry")


async def test_a_worker_that_promotes_a_job_and_an_operator_who_retries_it_run_it_once(app, two, site):
    ran = []

    @app.job(name="A")
    async def note(number: int) -> None:
        ran.append(number)

    score = time.time() + 0.3
    site.client.zadd("retry", {job(number): score for number in range(40)})
    keys = [f"{score!r}-j{number}" for number in range(40)]

    async with app.worker(concurrency=5):
        pages = []
        for start in range(0, 40, 4):
            for browser in two:
                pages.append(await browser.act("/retries", {"action": "retry", "key": keys[start : start + 4]}))
            await asyncio.sleep(0.05)
        await site.drained()

    assert sorted(ran) == list(range(40))
    answers = [told(page, "retry") for page in pages]
    assert sum(done for done, _ in answers) <= 40
    assert site.client.zcard("retry") == 0


@pytest.mark.parametrize("is_all", [False, True])
async def test_what_a_worker_has_fetched_meanwhile_is_not_said_to_be_deleted(is_all, pages, site):
    for number in range(10):
        site.push_raw(job(number))
    # As the next to be fetched are taken.
    taken = [site.client.rpop("queue:default") for _ in range(4)]
    form = {"all": "1", "class": "A"} if is_all else {"key": [f"j{number}" for number in range(10)]}

    page = await pages.act("/queues/default", {"action": "delete", "confirmed": "1", **form})

    assert "6 jobs deleted." in page.text
    assert is_all or "4 were already gone" in page.text
    assert len(taken) == 4
    assert site.queue() == []


async def test_a_job_is_found_although_workers_fetch_while_it_is_looked_for(app, pages, site):
    for number in range(1500):
        site.push_raw(job(number))
    link, reads = app.store.admin, []
    original = link.call

    async def call(*words):
        answer = await original(*words)
        if words[0] == "LRANGE":
            reads.append(words)
            if len(reads) == 2:
                site.client.rpop("queue:default", 300)
        return answer

    link.call = call
    form = {"action": "delete", "key": "j520", "order": "reversed", "confirmed": "1"}
    page = await pages.act("/queues/default", form)

    assert "1 job deleted." in page.text
    assert site.client.llen("queue:default") == 1199


async def test_two_operators_delete_the_same_jobs_of_a_queue_at_once(two, site):
    for number in range(30):
        site.push_raw(job(number))
    keys = [f"j{number}" for number in range(20)]

    pages = await asyncio.gather(
        *(browser.act("/queues/default", {"action": "delete", "key": keys, "confirmed": "1"}) for browser in two)
    )

    answers = [told(page, "delete") for page in pages]
    assert [done + gone if done else 20 for done, gone in answers] == [20, 20]
    assert sum(done for done, _ in answers) == 20
    assert sorted(json.loads(raw)["args"][0] for raw in site.queue()) == list(range(20, 30))


async def test_two_operators_clear_a_queue_at_once_and_one_of_them_has_done_it(two, site):
    for number in range(30):
        site.push_raw(job(number))

    pages = await asyncio.gather(
        *(browser.act("/queues/default/state", {"action": "clear", "confirmed": "1"}) for browser in two)
    )

    counts = [int(re.search(r"Queue cleared: (\d+) jobs? deleted", page.text)[1]) for page in pages]
    assert sorted(counts) == [0, 30]


async def test_two_operators_pause_and_resume_at_once_and_the_page_shows_what_holds(two, site):
    site.push_raw(job(0))

    pages = await asyncio.gather(
        *(
            browser.act("/queues/default/state", {"action": action})
            for browser, action in zip(two, ("pause", "unpause"), strict=True)
        )
    )
    shown = (await two[0].get("/queues")).text

    assert "Queue paused." in pages[0].text
    assert "Queue resumed." in pages[1].text
    assert (">paused<" in shown) == bool(site.client.sismember("paused", "default"))
    site.client.delete("paused")


async def test_a_process_that_ends_between_question_and_answer_is_told(pages, site):
    site.client.sadd("processes", "box:1:a")
    site.client.hset("box:1:a", mapping={"info": "{}", "busy": 0})
    asked = await pages.act("/busy/box:1:a", {"action": "stop"})
    site.client.delete("box:1:a")

    page = await pages.act("/busy/box:1:a", {"action": "stop", "confirmed": "1"})

    assert "Are you sure?" in asked.text
    assert GONE in page.text
    assert site.client.keys("*-signals") == []
    site.client.delete("processes")


async def test_the_page_of_a_job_that_has_moved_says_so(pages, site):
    (key,) = fill(site, "/retries", 1)
    shown = await pages.get(f"/retries/{key}")
    await pages.act("/retries", {"action": "retry", "key": key})

    gone = await pages.get(f"/retries/{key}")

    assert (shown.status_code, gone.status_code) == (200, 404)
    assert "the job may have run or been moved" in gone.text
