"""What a worker logs of its jobs, and what a log may not do to them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from tests.integration.worker.site import Lines, Site
from tests.support.eventually import eventually


class Broken(logging.Handler):
    """A handler that raises, as one of a host program may."""

    def handle(self, record: logging.LogRecord) -> bool:
        raise RuntimeError("the log is broken")


@contextmanager
def broken_log() -> Iterator[None]:
    logger, handler = logging.getLogger("sidelong"), Broken()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


async def test_a_log_that_raises_neither_fails_a_job_nor_runs_it_again(site: Site) -> None:
    app = site.app()
    ran: list[str] = []

    @app.job(timeout=0.05)
    async def good() -> None:
        ran.append("good")

    @app.job(retry=0)
    async def bad() -> None:
        ran.append("bad")
        raise ValueError("no")

    async with app, app.worker():
        with broken_log():
            await good.enqueue()
            await bad.enqueue()
            await eventually(lambda: site.counter("stat:processed") == 2)
            await site.drained()

    assert sorted(ran) == ["bad", "good"]
    assert site.counter("stat:failed") == 1
    assert [item["class"] for item, _ in site.members("dead")] == [bad.name]


async def test_lines_of_jobs_can_be_left_out_and_errors_are_told_all_the_same(site: Site, log: Lines) -> None:
    app = site.app(job_logging=False)

    @app.job
    async def bad() -> None:
        raise ValueError("no")

    async with app, app.worker():
        await bad.enqueue()
        await site.has("retry")

    assert [record for record in log.records if record.name == "sidelong.job"] == []
    assert len(log.containing("ValueError: no")) == 1


async def test_a_thousand_failures_of_one_kind_are_a_few_lines(site: Site, log: Lines) -> None:
    app = site.app(job_logging=False, max_retries=0)

    @app.job(dead=False)
    async def bad(number: int) -> None:
        raise ValueError(f"failure {number}")

    async with app, app.worker(concurrency=50):
        await bad.enqueue_many([(number,) for number in range(1000)])
        await eventually(lambda: site.counter("stat:failed") == 1000, within=15)

    assert len(log.containing("job: ValueError: failure")) <= 10
    assert len(log.containing("no retries left")) <= 10


async def test_at_debug_a_worker_tells_what_it_does_besides(site: Site, log: Lines) -> None:
    logging.getLogger("sidelong").setLevel(logging.DEBUG)
    app = site.app()

    @app.job
    async def good() -> None: ...

    @app.server_middleware
    async def around(job, call_next):
        return await call_next(job)

    async with app, app.worker():
        await good.enqueue_in(0.01)
        await eventually(lambda: site.counter("stat:processed") == 1)
        await eventually(lambda: log.containing("looked for dead workers: 0 without a lease, 0 of them dead"))
        await eventually(lambda: len(log.containing("heartbeat answered after")) > 1)

    for told in (
        "around",
        "registered as ",
        "waiting for queue default",
        "1 due job of schedule moved to their queues",
    ):
        assert log.containing(told), told
