import asyncio
import logging
import threading
from contextvars import copy_context

import pytest

from sidelong.core.context import Context, enter
from sidelong.logs import JobContextFilter, log_context


@pytest.fixture
def logged():
    """Logs in the current context and returns the record as a handler gets it."""
    job_context = JobContextFilter()

    def log(**extra):
        record = logging.makeLogRecord({"msg": "hello", **extra})
        assert job_context.filter(record)
        return record

    return log


def in_job(jid="j1", **item):
    enter(Context(jid, "default", {"class": "Charge", "jid": jid, **item}, lambda: False))


def isolated(function):
    return copy_context().run(function)


def test_outside_a_job_there_is_nothing_to_say(logged):
    record = logged()

    assert (record.jid, record.job_class, record.job_context) == ("", "", {})


def test_inside_a_job_the_record_has_its_class_and_jid(logged):
    def job():
        in_job(bid="b1", tags=["vip", "eu"])
        return logged()

    record = isolated(job)

    assert (record.jid, record.job_class) == ("j1", "Charge")
    assert record.job_context == {"class": "Charge", "jid": "j1", "bid": "b1", "tags": ["vip", "eu"]}
    assert logging.Formatter("%(job_context)s").format(record) == "class=Charge jid=j1 bid=b1 tags=vip,eu"


def test_of_a_wrapped_job_the_class_is_the_real_one_and_nothing_is_endless(logged):
    def job():
        in_job("j" * 1000, wrapped="Real", tags=["t" * 1000] * 1000)
        return logged()

    record = isolated(job)

    assert record.job_class == "Real"
    assert len(str(record.job_context)) < 3000


@pytest.mark.parametrize("letter", ["t", "\U0001f600", "\x1b", " "])
def test_what_stands_beside_a_record_leaves_room_in_a_line_of_2_kb(logged, letter):
    def job():
        in_job(letter * 1000, wrapped=letter * 1000, bid=letter * 1000, tags=[letter * 1000] * 1000)
        return logged()

    record = isolated(job)

    assert len(str(record.job_context).encode()) < 1300


def test_keys_of_nested_blocks_add_up_and_go_again(logged):
    with log_context(shop="north", order=1):
        with log_context(order=2):
            inner = logged()
        outer = logged()
    after = logged()

    assert inner.job_context == {"shop": "north", "order": 2}
    assert outer.job_context == {"shop": "north", "order": 1}
    assert after.job_context == {}


def test_keys_go_again_when_the_block_fails(logged):
    with pytest.raises(ValueError, match="boom"), log_context(order=1):
        raise ValueError("boom")

    assert logged().job_context == {}


def test_nobody_can_put_another_jid_beside_the_records_of_a_job(logged):
    def job():
        in_job()
        with log_context(jid="forged", order=1):
            return logged()

    assert str(isolated(job).job_context) == "class=Charge jid=j1 order=1"


async def test_tasks_and_threads_of_a_job_say_its_jid_and_those_of_others_theirs(logged):
    async def job(jid):
        in_job(jid)
        with log_context(of=jid):
            await asyncio.sleep(0)
            in_task = asyncio.create_task(told())
            return [(await in_task), await asyncio.to_thread(told_now), told_now()]

    async def told():
        await asyncio.sleep(0)
        return told_now()

    def told_now():
        record = logged()
        return record.jid, record.job_context["of"]

    jids = [str(number) for number in range(50)]

    assert await asyncio.gather(*map(job, jids)) == [[(jid, jid)] * 3 for jid in jids]


def test_a_record_that_another_thread_writes_keeps_what_it_was_given_first(logged):
    record = isolated(lambda: (in_job("maker"), logged())[1])

    def write():
        in_job("writer")
        JobContextFilter().filter(record)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()

    assert (record.jid, record.job_context["jid"]) == ("maker", "maker")


def test_what_a_record_brings_of_its_own_stays(logged):
    assert logged(jid="mine").jid == "mine"
