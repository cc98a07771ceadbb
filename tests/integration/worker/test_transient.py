"""Errors that another attempt may heal: error handlers hear of them once none is left."""

import asyncio
from typing import Any, ClassVar

import pytest

from sidelong import Discard, JobClass, JobTimeoutError, Kill, Sidelong
from tests.integration.worker.site import Lines, Site
from tests.support.eventually import eventually


class BusyError(Exception):
    """The other side asks for patience."""


class VeryBusyError(BusyError):
    """Derives from what is listed."""


class Ears:
    """What the handlers of an application were told."""

    def __init__(self, app: Sidelong) -> None:
        self.errors: list[BaseException] = []
        self.contexts: list[dict[str, Any]] = []
        self.deaths: list[BaseException] = []
        app.error_handler(self._hear)
        app.death_handler(lambda item, error: self.deaths.append(error))

    def _hear(self, error: BaseException, context: dict[str, Any]) -> None:
        self.errors.append(error)
        self.contexts.append(context)


async def run_until_failed(site: Site, app: Sidelong, times: int = 1) -> None:
    """Serve the store until jobs have failed so many times, each retry at once."""
    async with app, app.worker():
        for count in range(1, times + 1):
            await eventually(lambda count=count: site.counter("stat:failed") == count)
            if count < times:
                await site.has("retry")
                site.make_due()
        await site.drained()


async def test_a_transient_failure_that_heals_is_told_to_nobody(site: Site, log: Lines) -> None:
    app = site.app()
    ears = Ears(app)
    attempts: list[int] = []

    @app.job(name="Fetch", transient=[BusyError])
    async def fetch() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise VeryBusyError("later")

    site.push("Fetch")
    async with app, app.worker():
        for count in (1, 2):
            await eventually(lambda count=count: site.counter("stat:failed") == count)
            await site.has("retry")
            item, _ = site.only("retry")
            assert (item["error_class"], item["error_message"]) == (f"{__name__}.VeryBusyError", "later")
            site.make_due()
        await eventually(lambda: len(attempts) == 3)
        await site.drained()

    assert ears.errors == ears.deaths == []
    # The line at the end of a run names the class alone.
    assert log.containing("later") == []


async def test_another_error_is_told_at_each_failure(site: Site) -> None:
    app = site.app()
    ears = Ears(app)

    @app.job(name="Fetch", transient=[BusyError])
    async def fetch() -> None:
        raise LookupError("no such page")

    site.push("Fetch", retry=2)
    await run_until_failed(site, app, times=3)

    assert [type(error) for error in ears.errors] == [LookupError] * 3
    assert len(ears.deaths) == 1


@pytest.mark.parametrize("retry", [2, 0, False])
async def test_it_is_told_once_when_no_retry_is_left(site: Site, retry: Any) -> None:
    app = site.app()
    ears = Ears(app)
    raised: list[BusyError] = []

    @app.job(name="Fetch", transient=[BusyError])
    async def fetch() -> None:
        try:
            raise ConnectionError("reset by peer")
        except ConnectionError as cause:
            raised.append(BusyError(f"attempt {len(raised) + 1}"))
            raise raised[-1] from cause

    site.push("Fetch", retry=retry)
    await run_until_failed(site, app, times=int(retry) + 1)

    (error,), (context,) = ears.errors, ears.contexts
    assert error is raised[-1]
    assert isinstance(error.__cause__, ConnectionError)
    assert ears.deaths == [error]
    assert context["context"] == "job"
    assert context["job"].get("retry_count") == (retry - 1 if retry > 1 else None)


@pytest.mark.parametrize("choice", [Kill, Discard])
async def test_it_is_told_when_the_hook_gives_up(site: Site, choice: Any) -> None:
    app = site.app()
    ears = Ears(app)

    @app.job(name="Fetch", transient=[BusyError], retry_in=lambda count, error, item: choice)
    async def fetch() -> None:
        raise BusyError("never again")

    site.push("Fetch")
    await run_until_failed(site, app)

    assert [str(error) for error in ears.errors] == ["never again"]
    assert len(ears.deaths) == 1


async def test_what_a_job_decides_is_no_error_whatever_is_listed(site: Site) -> None:
    app = site.app(transient=[Exception])
    ears = Ears(app)

    @app.job(name="Fetch")
    async def fetch() -> None:
        raise Kill("look at this")

    site.push("Fetch")
    await run_until_failed(site, app)

    assert ears.errors == []
    assert [str(error) for error in ears.deaths] == ["look at this"]


async def test_the_setting_holds_for_all_jobs_and_adds_to_what_a_job_lists(site: Site) -> None:
    app = site.app(transient=[ConnectionError])
    ears = Ears(app)

    class Polite(JobClass):
        options: ClassVar = {"transient": (BusyError,)}

    @app.job(name="Fetch")
    class Fetch(Polite):
        async def perform(self, what: str) -> None:
            raise {"busy": BusyError, "reset": ConnectionError, "gone": LookupError}[what](what)

    for number, what in enumerate(("busy", "reset", "gone")):
        site.push("Fetch", what, jid=f"{number:024}")
    async with app, app.worker():
        await site.has("retry", 3)

    assert [type(error) for error in ears.errors] == [LookupError]


async def test_a_wrapper_counts_by_what_it_is_and_not_by_its_cause(site: Site) -> None:
    app = site.app(transient=[ConnectionError])
    ears = Ears(app)

    @app.job(name="Fetch")
    async def fetch() -> None:
        raise LookupError("no such host") from ConnectionError("refused")

    site.push("Fetch")
    await run_until_failed(site, app)

    assert [type(error) for error in ears.errors] == [LookupError]


@pytest.mark.parametrize(("others", "told"), [([], 0), ([LookupError("gone")], 1)])
async def test_a_group_is_transient_if_all_in_it_are(site: Site, others: list[Exception], told: int) -> None:
    app = site.app(transient=[ConnectionError, BusyError])
    ears = Ears(app)

    @app.job(name="Fetch")
    async def fetch() -> None:
        inner = ExceptionGroup("inner", [BusyError("later"), *others])
        raise ExceptionGroup("several", [ConnectionResetError("reset"), inner])

    site.push("Fetch")
    await run_until_failed(site, app)

    assert len(ears.errors) == told


async def test_what_middleware_raises_and_a_timeout_may_be_transient(site: Site) -> None:
    app = site.app(transient=[BusyError, JobTimeoutError])
    ears = Ears(app)

    @app.server_middleware
    async def limit(job: dict[str, Any], call_next: Any) -> None:
        if job["args"] == ["limited"]:
            raise BusyError("the limit is reached")
        await call_next()

    @app.job(name="Fetch", timeout=0.05)
    async def fetch(how: str) -> None:
        await asyncio.Event().wait()

    site.push("Fetch", "limited", jid="1" * 24)
    site.push("Fetch", "hanging", jid="2" * 24)
    async with app, app.worker():
        await site.has("retry", 2)

    assert {item["error_class"].rpartition(".")[2] for item, _ in site.members("retry")} == {
        "BusyError",
        "JobTimeoutError",
    }
    assert ears.errors == []
