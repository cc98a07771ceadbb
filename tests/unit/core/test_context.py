import asyncio
import threading
from typing import Any

import pytest

from sidelong.core.context import Context, current_context, enter


def context_of(is_stopping: bool = False, **item: Any) -> Context:
    return Context("jid", "mailers", item, lambda: is_stopping)


@pytest.mark.parametrize(
    ("count", "attempt"), [(None, 1), (0, 2), (1, 3), (24, 26), (-1, 1), ("1", 1), (True, 1), (1.0, 1)]
)
def test_counts_attempts_from_one(count, attempt):
    item = {} if count is None else {"retry_count": count}

    assert context_of(**item).attempt == attempt


@pytest.mark.parametrize(
    ("stored", "seconds"),
    [
        (1795217165.25, 1795217165.25),
        (1795217165250, 1795217165.25),
        (None, None),
        ("1795217165", None),
        (True, None),
        (10**400, None),
    ],
)
def test_tells_when_the_job_entered_its_queue(stored, seconds):
    assert context_of(enqueued_at=stored).enqueued_at == seconds


@pytest.mark.parametrize(
    ("stored", "tags"), [(["a", "b"], ("a", "b")), ([], ()), ("ab", ()), ({"a": 1}, ()), (None, ())]
)
def test_tells_the_tags(stored, tags):
    assert context_of(tags=stored).tags == tags


def test_a_payload_that_says_little_is_enough():
    context = context_of()

    assert (context.attempt, context.enqueued_at, context.tags) == (1, None, ())
    assert (context.jid, context.queue) == ("jid", "mailers")
    assert (context.cancelled, context.has_finished, context.stopping) == (False, False, False)


def test_tells_that_the_worker_stops():
    assert context_of(is_stopping=True).stopping


def test_a_job_may_declare_itself_finished():
    context = context_of()

    context.finished()

    assert context.has_finished


def test_outside_a_job_there_is_no_context():
    found = []

    def look() -> None:
        with pytest.raises(RuntimeError, match="outside a job"):
            current_context()
        found.append(True)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()

    assert found == [True]


async def test_each_task_sees_its_own():
    async def run(context: Context) -> Context:
        enter(context)
        await asyncio.sleep(0)
        return current_context()

    contexts = [context_of(n=n) for n in range(5)]

    assert await asyncio.gather(*map(run, contexts)) == contexts
    with pytest.raises(RuntimeError):
        current_context()


async def test_a_thread_of_the_job_sees_it():
    context = context_of()
    enter(context)

    assert await asyncio.to_thread(current_context) is context
