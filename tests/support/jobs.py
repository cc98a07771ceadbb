"""The jobs that tests run: each tells the ledger when its body begins and how it ends.

Wire names are the plain function names, so that a test can enqueue by name from anywhere.
"""

import asyncio
import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sidelong import Discard, Job, Kill, RetryIn, Sidelong, current_context
from tests.support.ledger import END, FAIL, READY, START, Ledger

_ledger: Ledger | None = None


def build_app(
    url: str,
    ledger: Ledger | str,
    jobs: Mapping[Callable[..., Any], Mapping[str, Any]] | None = None,
    **settings: Any,
) -> Sidelong:
    """Return an application whose jobs write to `ledger` from now on.

    Args:
        url: where Redis is.
        ledger: or its directory.
        jobs: functions with their options; those of this module if not given.
        settings: as `Sidelong` takes them; see `timings.TEST_TIMINGS`.
    """
    # Jobs are plain functions, and one process has one ledger.
    global _ledger
    written = _ledger = ledger if isinstance(ledger, Ledger) else Ledger(ledger)
    app = Sidelong(url, **settings)
    for function, options in (JOBS if jobs is None else jobs).items():
        app.job(name=function.__name__, **options)(function)

    @app.on("startup")
    def tell() -> None:
        written.write(READY)

    return app


def job(app: Sidelong, function: Callable[..., Any]) -> Job[Any, Any]:
    """Return the registered job of one of the functions below."""
    found = app.registry.get(function.__name__)
    assert isinstance(found, Job)
    return found


@contextmanager
def recorded() -> Iterator[str]:
    """Write START with the attempt now, and END or FAIL when the block is left; gives the running job's jid."""
    assert _ledger is not None
    context = current_context()
    jid = context.jid
    _ledger.write(START, jid, f"attempt={context.attempt}")
    try:
        yield jid
    except BaseException as error:
        _ledger.write(FAIL, jid, type(error).__name__)
        raise
    _ledger.write(END, jid)


def midway() -> None:
    """Does nothing: the failpoint `mid_job` sits here."""


# Jobs that end well.


async def noop() -> None:
    with recorded():
        midway()


async def quick() -> None:
    with recorded():
        await asyncio.sleep(random.uniform(0, 0.01))
        midway()
        await asyncio.sleep(random.uniform(0, 0.01))


async def sleep_for(seconds: float) -> None:
    with recorded():
        await asyncio.sleep(seconds / 2)
        midway()
        await asyncio.sleep(seconds / 2)


async def hold(gate: str) -> None:
    """Runs until the test creates the file `gate`."""
    with recorded():
        while not Path(gate).exists():
            await asyncio.sleep(0.005)
        midway()


def in_thread(seconds: float = 0.0) -> None:
    with recorded():
        time.sleep(seconds)
        midway()


def hold_thread(gate: str) -> None:
    with recorded():
        while not Path(gate).exists():
            time.sleep(0.005)


# Jobs that fail, or ask for another end.


async def fail_at(gate: str) -> None:
    """Runs until the test creates the file `gate`, then fails."""
    with recorded():
        while not Path(gate).exists():
            await asyncio.sleep(0.005)
        raise RuntimeError("the gate is open")


async def fail_times(count: int) -> None:
    with recorded():
        attempt = current_context().attempt
        if attempt <= count:
            raise RuntimeError(f"attempt {attempt} fails")


async def always_fail() -> None:
    with recorded():
        raise RuntimeError("always fails")


async def discard() -> None:
    with recorded():
        raise Discard("not wanted any more")


async def kill() -> None:
    with recorded():
        raise Kill("hopeless")


async def retry_in(seconds: float) -> None:
    with recorded():
        if current_context().attempt == 1:
            raise RetryIn(seconds)


# Jobs that misbehave.


async def raise_system_exit() -> None:
    with recorded():
        raise SystemExit(1)


async def raise_keyboard_interrupt() -> None:
    with recorded():
        raise KeyboardInterrupt


async def raise_cancelled() -> None:
    with recorded():
        raise asyncio.CancelledError


async def raise_group() -> None:
    with recorded():
        raise BaseExceptionGroup("several", [ValueError("one"), SystemExit(2)])


async def swallow_cancel(seconds: float) -> None:
    """Returns as if nothing had happened when it is cancelled; END then has `cancelled` before it."""
    with recorded() as jid:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            assert _ledger is not None
            _ledger.write("CANCELLED", jid)


async def finish_when_cancelled(seconds: float) -> None:
    """Declares itself complete when it is cancelled."""
    with recorded():
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            current_context().finished()


async def ignore_cancel(seconds: float) -> None:
    """Goes on however often it is cancelled."""
    with recorded():
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            try:
                await asyncio.sleep(left)
            except asyncio.CancelledError:
                continue


async def block_loop(seconds: float, how: str = "sleep") -> None:
    """Blocks the event loop: by `sleep`, by a loop in `python`, or by a `regex` that keeps the GIL."""
    with recorded():
        match how:
            case "sleep":
                time.sleep(seconds)
            case "python":
                deadline = time.monotonic() + seconds
                while time.monotonic() < deadline:
                    pass
            case "regex":
                _hold_gil(seconds)
            case _:
                raise ValueError(f"no way to block by {how!r}")


async def block_until(gate: str) -> None:
    """Blocks the event loop until the test creates the file `gate`."""
    with recorded():
        while not Path(gate).exists():
            time.sleep(0.005)


async def kill_self() -> None:
    with recorded():
        os.kill(os.getpid(), signal.SIGKILL)


def _hold_gil(seconds: float) -> None:
    """Keep the interpreter lock for about `seconds` by one call into C."""
    pattern = re.compile(r"(a+)+b")
    portion = "a" * 14 + "c"
    # The search costs the same for each portion; how much, depends on the machine.
    count, took = 5, 0.0
    while took < 0.05:
        count *= 2
        began = time.perf_counter()
        pattern.search(portion * count)
        took = time.perf_counter() - began
    pattern.search(portion * max(1, round(seconds * count / took)))
    # Whoever has waited for the lock gets it now, for a moment, and on a busy machine a little later.
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        pass


def _soon(count: int, exception: BaseException, payload: dict[str, Any]) -> float:
    return 0.2


JOBS: dict[Callable[..., Any], dict[str, Any]] = {
    noop: {},
    quick: {},
    sleep_for: {},
    hold: {},
    in_thread: {},
    hold_thread: {},
    fail_at: {},
    fail_times: {"retry_in": _soon},
    always_fail: {},
    discard: {},
    kill: {},
    retry_in: {},
    raise_system_exit: {},
    raise_keyboard_interrupt: {},
    raise_cancelled: {},
    raise_group: {},
    swallow_cancel: {},
    finish_when_cancelled: {},
    ignore_cancel: {},
    block_loop: {},
    block_until: {},
    kill_self: {},
}
"""Every job with its options."""
