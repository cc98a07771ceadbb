import asyncio
import contextlib
import textwrap
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from sidelong import ArgumentError, ConfigurationError, Context, StepError, StoreError
from sidelong.client.background import end_background
from sidelong.client.step_memory import StepMemory
from sidelong.client.steps import Steps


@pytest.fixture(autouse=True)
def ended_background() -> Iterator[None]:
    """End the event loop that threads without a worker have started."""
    yield
    end_background()


class Runs:
    """Gives each run of one job a context of its own, and remembers what its steps remember."""

    def __init__(self) -> None:
        self.memory = StepMemory()

    def again(self, jid: str = "j1") -> Context:
        return Context(jid, "default", {}, lambda: False, Steps(self.memory, no_close))


async def no_close() -> None:
    pass


@pytest.fixture
def runs() -> Runs:
    return Runs()


class Bank:
    def __init__(self) -> None:
        self.charges: list[Any] = []

    async def charge(self, order_id: int = 7, *, fails: bool = False) -> dict[str, int]:
        self.charges.append(order_id)
        await asyncio.sleep(0)
        if fails:
            raise OSError("no money")
        return {"receipt": len(self.charges)}

    def charge_blocking(self, order_id: int = 7) -> tuple[str, int]:
        self.charges.append(order_id)
        return ("receipt", len(self.charges))


@pytest.fixture
def bank() -> Bank:
    return Bank()


def in_thread(function: Callable[[], Any]) -> Any:
    """Return what a function returns in a thread without an event loop."""
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(function())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


# A step that finishes.


async def test_a_finished_step_is_left_out_and_its_result_is_there(runs, bank):
    for _ in range(3):
        async with runs.again().once("charge") as step:
            if not step.done:
                step.result = await bank.charge()
        assert (step.done, step.result) == (True, {"receipt": 1})

    assert bank.charges == [7]


async def test_run_does_both(runs, bank):
    receipts = []
    for _ in range(2):
        async with runs.again().once("charge") as step:
            receipts.append(await step.run(bank.charge, order_id=8))
        assert step.result == receipts[0]

    assert receipts == [{"receipt": 1}] * 2
    assert bank.charges == [8]


async def test_run_takes_a_function_that_is_not_async(runs, bank):
    for _ in range(2):
        async with runs.again().once("charge") as step:
            assert await step.run(bank.charge_blocking) == ["receipt", 1]

    assert bank.charges == [7]


async def test_a_step_without_a_result_has_none(runs):
    async with runs.again().once("mail") as step:
        assert (step.done, step.result) == (False, None)

    async with runs.again().once("mail") as step:
        assert (step.done, step.result) == (True, None)


async def test_reading_the_result_asks_as_well(runs, bank):
    for _ in range(2):
        async with runs.again().once("charge") as step:
            if step.result is None:
                step.result = await bank.charge()
        assert step.result == {"receipt": 1}

    assert bank.charges == [7]


async def test_a_body_may_be_left_by_return(runs, bank):
    async def job(context: Context) -> Any:
        async with context.once("charge") as step:
            return await step.run(bank.charge)

    assert await job(runs.again()) == await job(runs.again())
    assert bank.charges == [7]


async def test_other_jobs_and_other_names_have_other_steps(runs, bank):
    for jid in ("j1", "j2"):
        context = runs.again(jid)
        for name in (("charge",), ("charge", 1), ("charge", "1"), ("refund",)):
            async with context.once(*name) as step:
                await step.run(bank.charge)

    assert len(bank.charges) == 8


async def test_what_the_body_does_to_the_result_belongs_to_it(runs):
    async with runs.again().once("collect") as step:
        if not step.done:
            step.result = []
            step.result.append(1)
    assert step.result == [1]

    async with runs.again().once("collect") as step:
        assert step.result == [1]


async def test_steps_may_be_nested_and_run_at_once(runs, bank):
    async def job(context: Context) -> list[Any]:
        async def pay(order_id: int) -> Any:
            async with context.once("pay", order_id) as step:
                return await step.run(bank.charge, order_id)

        async with context.once("all") as outer:
            paid = await outer.run(lambda: asyncio.gather(*map(pay, range(5))))
        async with context.once("mail") as step:
            await step.run(bank.charge, 99)
        return paid

    first = await job(runs.again())

    assert await job(runs.again()) == first == [{"receipt": 5}] * 5
    assert sorted(bank.charges) == [0, 1, 2, 3, 4, 99]


async def test_the_first_to_finish_is_heeded_where_two_runs_of_a_job_meet(runs, bank):
    async with runs.again().once("charge") as slow:
        assert not slow.done
        async with runs.again().once("charge") as fast:
            await fast.run(bank.charge, 1)
        slow.result = "mine"

    assert (slow.result, fast.result) == ({"receipt": 1}, {"receipt": 1})


# A step that does not.


@pytest.mark.parametrize("error", [OSError("no money"), asyncio.CancelledError(), KeyboardInterrupt(), GeneratorExit()])
async def test_a_step_that_is_broken_off_is_done_again(runs, error):
    async def break_off() -> None:
        async with runs.again().once("charge") as step:
            assert not step.done
            step.result = 1
            raise error

    with pytest.raises(type(error)):
        await break_off()

    async with runs.again().once("charge") as step:
        assert (step.done, step.result) == (False, None)


async def test_the_same_run_may_try_again_what_has_failed(runs, bank):
    context = runs.again()
    for fails in (True, False):
        try:
            async with context.once("charge") as step:
                await step.run(bank.charge, fails=fails)
        except OSError:
            continue

    assert step.done
    assert bank.charges == [7, 7]


# What could be done twice, or left out.


async def job_that_does_not_ask(context: Context, bank: Bank) -> None:
    async with context.once("charge") as step:
        step.result = await bank.charge()


async def test_a_body_that_does_not_ask_is_told_and_does_its_work_once(runs, bank):
    with pytest.raises(StepError, match=r"^the body of step 'charge' has not asked"):
        await job_that_does_not_ask(runs.again(), bank)
    for _ in range(3):
        with pytest.raises(StepError, match=r"^step 'charge' has finished, and its body does not ask"):
            await job_that_does_not_ask(runs.again(), bank)

    assert bank.charges == [7]


async def test_the_job_goes_on_once_its_body_asks(runs, bank):
    with pytest.raises(StepError):
        await job_that_does_not_ask(runs.again(), bank)

    async with runs.again().once("charge") as step:
        assert await step.run(bank.charge) == {"receipt": 1}
    assert bank.charges == [7]


async def another_that_does_not_ask(context: Context, bank: Bank) -> None:
    async with context.once("charge"):
        await bank.charge(99)


@pytest.mark.parametrize("has_asked_before", [False, True])
async def test_code_that_is_changed_and_does_not_ask_does_its_work_once_more_and_not_for_ever(
    runs, bank, has_asked_before
):
    if has_asked_before:
        async with runs.again().once("charge") as step:
            await step.run(bank.charge)
    else:
        with pytest.raises(StepError):
            await job_that_does_not_ask(runs.again(), bank)

    with pytest.raises(StepError, match="has not asked"):
        await another_that_does_not_ask(runs.again(), bank)
    for _ in range(2):
        with pytest.raises(StepError, match="does not ask"):
            await another_that_does_not_ask(runs.again(), bank)

    assert bank.charges == [7, 99]
    async with runs.again().once("charge") as step:
        assert (step.done, step.result) == (True, {"receipt": 1})


def job_of(body: str) -> Callable[[Context, list[str]], Any]:
    """Return a job of these lines, which may change between two runs; helpers enter its block."""
    names: dict[str, Any] = {"asynccontextmanager": contextlib.asynccontextmanager}
    source = f"""
def made(context):
    return context.once("charge")

@asynccontextmanager
async def generated(context):
    async with context.once("charge") as step:
        yield step

class Entered:
    def __init__(self, context):
        self.context = context

    async def __aenter__(self):
        self.block = self.context.once("charge")
        return await self.block.__aenter__()

    async def __aexit__(self, *error):
        await self.block.__aexit__(*error)

async def job(context, charged):
{textwrap.indent(textwrap.dedent(body), "    ")}
"""
    exec(compile(source, "jobs.py", "exec"), names)
    job: Callable[[Context, list[str]], Any] = names["job"]
    return job


@pytest.mark.parametrize("helper", ["made(context)", "generated(context)", "Entered(context)"])
async def test_the_job_goes_on_once_its_body_asks_whatever_helped_it_to_enter(runs, helper):
    wrong = job_of(f"async with {helper} as step:\n    charged.append('charge')")
    right = job_of(f"async with {helper} as step:\n    if not step.done:\n        charged.append('charge')")
    charged: list[str] = []

    for _ in range(3):
        with pytest.raises(StepError, match=r"at jobs\.py:\d+ in job"):
            await wrong(runs.again(), charged)
    await right(runs.again(), charged)

    assert charged == ["charge"]


async def test_the_job_goes_on_once_a_function_in_its_body_asks(runs):
    wrong, right = (
        job_of(f"""
            async with context.once("charge") as step:
                async def charge():
                    {line}
                    charged.append("charge")
                await charge()
        """)
        for line in ("pass", "if step.done: return")
    )
    charged: list[str] = []

    for _ in range(3):
        with pytest.raises(StepError):
            await wrong(runs.again(), charged)
    await right(runs.again(), charged)

    assert charged == ["charge"]


async def test_a_block_that_is_entered_again_is_refused_as_well(runs):
    block = runs.again().once("charge")
    charged: list[int] = []

    async def charge(order_id: int) -> None:
        async with block as step:
            if not step.done:
                charged.append(order_id)

    await charge(1)
    with pytest.raises(StepError, match="has used the step 'charge'"):
        await charge(2)
    assert charged == [1]


async def test_a_name_that_has_been_used_is_refused(runs, bank):
    context = runs.again()

    async def pay(order_id: int) -> None:
        async with context.once("pay") as step:
            await step.run(bank.charge, order_id)

    await pay(1)
    with pytest.raises(StepError, match=r"has used the step 'pay', and a second one of the same name"):
        await pay(2)
    assert bank.charges == [1]

    async with runs.again().once("pay") as step:
        assert step.done


async def test_two_of_one_name_at_once_are_refused(runs, bank):
    context = runs.again()

    async def pay(order_id: int) -> None:
        async with context.once("pay") as step:
            await step.run(bank.charge, order_id)

    outcomes = await asyncio.gather(pay(1), pay(2), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [type(None), StepError]
    assert bank.charges == [1]


async def test_a_block_runs_one_function(runs, bank):
    async with runs.again().once("charge") as step:
        await step.run(bank.charge)
        with pytest.raises(StepError, match="runs one function"):
            await step.run(bank.charge)

    assert bank.charges == [7]


async def test_a_block_may_try_a_function_again_that_has_failed(runs, bank):
    async with runs.again().once("charge") as step:
        with pytest.raises(OSError, match="no money"):
            await step.run(bank.charge, fails=True)
        assert await step.run(bank.charge) == {"receipt": 2}

    async with runs.again().once("charge") as step:
        assert await step.run(bank.charge) == {"receipt": 2}


async def test_a_block_does_not_run_two_functions_at_once(runs, bank):
    async with runs.again().once("charge") as step:
        outcomes = await asyncio.gather(step.run(bank.charge, 1), step.run(bank.charge, 2), return_exceptions=True)

    assert outcomes[0] == {"receipt": 1}
    assert isinstance(outcomes[1], StepError)
    assert bank.charges == [1]


@pytest.mark.parametrize("is_late", [False, True])
async def test_work_that_is_only_prepared_is_not_finished(runs, bank, is_late):
    async def forget_to_gather(context: Context) -> None:
        async with context.once("charge") as step:
            if not step.done:
                step.result = [] if is_late else [bank.charge(order_id) for order_id in range(3)]
                if is_late:
                    step.result.append(bank.charge())

    context = runs.again()
    for again in (context, context, runs.again()):
        with pytest.raises(StepError, match="the result of step 'charge' would be something that was not awaited"):
            await forget_to_gather(again)
    async with runs.again().once("charge") as step:
        assert not step.done


async def test_a_result_that_was_not_awaited_is_refused_before_the_step_counts_as_finished(runs, bank):
    async def forget_to_await() -> None:
        async with runs.again().once("charge") as step:
            if not step.done:
                step.result = bank.charge()

    with pytest.raises(StepError, match="await it first"):
        await forget_to_await()
    async with runs.again().once("charge") as step:
        assert not step.done


async def test_the_result_of_a_finished_step_stays(runs):
    async with runs.again().once("charge") as step:
        if not step.done:
            step.result = 1

    with pytest.raises(StepError, match="keeps the result it has"):
        async with runs.again().once("charge") as step:
            step.result = 2
    with pytest.raises(StepError, match="keeps the result it has"):
        step.result = 3
    assert step.result == 1


# Results that cannot be kept.


@pytest.mark.parametrize("result", [object(), "x" * 70_000])
async def test_a_result_that_cannot_be_kept_is_told_and_the_step_has_finished(runs, result):
    async def charge() -> None:
        async with runs.again().once("charge", 7) as step:
            if not step.done:
                step.result = result

    with pytest.raises(ArgumentError, match=r"^step 'charge', 7 has finished, but its result is not kept: result "):
        await charge()
    async with runs.again().once("charge", 7) as step:
        assert step.done
        with pytest.raises(StepError, match=r"^step 'charge', 7 has finished, but its result was not kept: result "):
            _ = step.result
        with pytest.raises(StepError, match="was not kept"):
            await step.run(lambda: None)


# What `once` is given.


@pytest.mark.parametrize("ttl", [1, 0.5e7, 31_536_000, timedelta(days=365)])
async def test_a_step_says_how_long_it_is_remembered(runs, ttl):
    async with runs.again().once("charge", ttl=ttl) as step:
        assert not step.done


@pytest.mark.parametrize("ttl", [0, 0.9, -1, 31_536_001, timedelta(days=366), float("nan"), float("inf"), True, "1"])
def test_a_life_is_from_a_second_to_a_year(runs, ttl):
    with pytest.raises(ConfigurationError, match="ttl must be"):
        runs.again().once("charge", ttl=ttl)


@pytest.mark.parametrize("name", [(), ("",), (None,), (1.0,), ("a" * 600,)])
def test_a_name_is_refused_where_it_is_given(runs, name):
    with pytest.raises(ArgumentError):
        runs.again().once(*name)


def test_a_context_of_nobody_has_no_steps():
    with pytest.raises(RuntimeError, match="belongs to none"):
        Context("j1", "default", {}, lambda: False).once("charge")


def test_keys_are_those_of_the_job(runs):
    first, second = runs.again("j1"), runs.again("j2")

    assert first.idempotency_key("order", 7) == runs.again("j1").idempotency_key("order", 7)
    assert first.idempotency_key("order", 7) != second.idempotency_key("order", 7)


# In threads.


async def test_a_thread_has_the_same_steps(runs, bank):
    def job() -> Any:
        with runs.again().once("charge") as step:
            receipt = step.run(bank.charge_blocking)
        assert step.result == receipt
        return receipt

    assert [await asyncio.to_thread(job) for _ in range(2)] == [["receipt", 1]] * 2
    async with runs.again().once("charge") as step:
        assert step.result == ["receipt", 1]
    assert bank.charges == [7]


def test_a_thread_may_try_a_function_again_that_has_failed(runs):
    def charge(failures: list[int]) -> str:
        if failures:
            failures.pop()
            raise OSError("no money")
        return "receipt"

    def job() -> Any:
        failures = [1]
        with runs.again().once("charge") as step:
            with pytest.raises(OSError, match="no money"):
                step.run(charge, failures)
            return step.run(charge, failures)

    assert in_thread(job) == "receipt"


def test_what_is_broken_off_in_a_thread_is_done_again(runs):
    def job() -> bool:
        with runs.again().once("charge") as step:
            if not step.done:
                raise OSError("no money")
        return step.done

    for _ in range(2):
        with pytest.raises(OSError, match="no money"):
            in_thread(job)


def test_a_coroutine_function_is_no_work_for_a_thread(runs, bank):
    def job() -> None:
        with runs.again().once("charge") as step:
            step.run(bank.charge)

    for _ in range(2):
        with pytest.raises(StepError, match="await it first"):
            in_thread(job)
    assert bank.charges == []


def test_a_thread_is_told_of_a_body_that_does_not_ask(runs):
    def job() -> None:
        with runs.again().once("charge"):
            pass

    for message in ("has not asked", "does not ask", "does not ask"):
        with pytest.raises(StepError, match=message):
            in_thread(job)


async def test_with_is_refused_on_the_event_loop(runs):
    context = runs.again()

    with pytest.raises(RuntimeError, match=r"write `async with context.once"), context.once("charge"):
        pass

    async with context.once("charge") as step:
        assert not step.done


# When nobody can tell.


class Away(StepMemory):
    async def look(self, jid: str, step: bytes, ttl: float) -> bytes | None:
        if self.fails_to == "look":
            raise StoreError("away")
        return await super().look(jid, step, ttl)

    async def record(self, jid: str, step: bytes, record: bytes, ttl: float, *, replaces: bool = False) -> bytes:
        if self.fails_to == "record":
            raise StoreError("away")
        return await super().record(jid, step, record, ttl)

    fails_to = "look"


async def test_no_work_is_done_if_nobody_knows_whether_it_is_done(bank):
    memory = Away()
    context = Context("j1", "default", {}, lambda: False, Steps(memory, no_close))

    with pytest.raises(StoreError, match="away"):
        async with context.once("charge") as step:
            await step.run(bank.charge)
    assert bank.charges == []

    memory.fails_to = ""
    async with context.once("charge") as step:
        await step.run(bank.charge)
    assert bank.charges == [7]


@pytest.mark.parametrize("is_thread", [False, True])
async def test_an_end_that_cannot_be_remembered_is_told(is_thread):
    memory = Away()
    memory.fails_to = "record"
    context = Context("j1", "default", {}, lambda: False, Steps(memory, no_close))

    def blocking() -> None:
        with context.once("charge") as step:
            assert not step.done

    async def awaiting() -> None:
        async with context.once("charge") as step:
            assert not step.done

    with pytest.raises(StoreError, match="away") as caught:
        await (asyncio.to_thread(blocking) if is_thread else awaiting())

    assert caught.value.__notes__ == ["step 'charge' has finished, and may not be remembered: it may run again"]
