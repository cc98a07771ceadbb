"""What workers count of the jobs they ran, as `sidelong.api.Metrics` shows it."""

import asyncio
import re
import threading
import time

import pytest

from sidelong import Discard, Kill
from sidelong.api import JobFigures, Metrics
from tests.integration.worker.site import Site
from tests.support.eventually import eventually


async def test_figures_tell_how_jobs_ended_and_how_long_they_took_and_waited(site: Site):
    app = site.app(beat_interval=0.1)

    @app.job(name="Quick")
    async def quick() -> None: ...

    @app.job(name="Slow", queue="slow")
    def slow() -> None:
        started.set()
        release.wait(10)

    @app.job(name="Fails")
    async def fails(error: str) -> None:
        raise {"retry": ValueError, "dead": Kill, "discard": Discard}[error]("no")

    started, release = threading.Event(), threading.Event()
    metrics = Metrics(app)
    async with app:
        for _ in range(3):
            await quick.enqueue()
        await slow.enqueue()
        for error in ("retry", "retry", "dead", "discard"):
            await fails.enqueue(error)
        began = time.monotonic()
        async with app.worker():
            await eventually(started.is_set)
            await eventually(lambda: site.counter("stat:processed") == 7)
            # Longer than all the others together, however busy this machine is.
            await asyncio.sleep(max(0.06, 4 * (time.monotonic() - began)))
            release.set()
            await site.drained()
        # The last flush is that of the end.
        report = await metrics.top_jobs()
        seen = {name: series.total for name, series in report.series.items()}
        queues = (await metrics.queues(hours=1)).series
        one = (await metrics.for_job("Slow")).series["Slow"]
        filtered = await metrics.top_jobs("QUI"), await metrics.top_jobs(re.compile("^(Fails|Slow)$"), hours=72)

    assert seen["Quick"].executed == seen["Quick"].succeeded == seen["Quick"].waits == 3
    job = seen["Fails"]
    assert (job.executed, job.failed, job.retried, job.dead, job.discarded) == (4, 4, 2, 1, 1)
    assert job.mean_ms is None
    assert next(iter(report.series)) == "Slow"
    assert 60 <= one.total.milliseconds == one.total.mean_ms < 9000
    assert sum(one.total.histogram[3:]) == 1
    assert list(one.points.values()) == [one.total]
    assert {name: series.total.executed for name, series in queues.items()} == {"default": 7, "slow": 1}
    assert [set(each.series) for each in filtered] == [{"Quick"}, {"Fails", "Slow"}]
    assert report.total.executed == site.counter("stat:processed") == 8
    assert report.errors == ()


async def test_a_worker_that_counts_nothing_leaves_no_trace(site: Site):
    app = site.app(metrics=False)

    @app.job
    async def job() -> None: ...

    async with app:
        await job.enqueue()
        async with app.worker():
            await site.drained()
        report = await Metrics(app).top_jobs()

    assert report.series == {}
    assert not [key for key in site.state() if key.startswith(("j|", "h|", "sidelong:jobs"))]


async def test_a_worker_that_has_flushed_all_leaves_no_number_behind(site: Site):
    app = site.app(beat_interval=0.05)

    @app.job
    async def job() -> None: ...

    async with app, app.worker():
        await job.enqueue()
        await eventually(lambda: site.client.keys("sidelong:flushed:*"))

    assert site.client.keys("sidelong:flushed:*") == []


async def test_what_goes_back_to_its_queue_is_counted_when_it_ends(site: Site):
    app = site.app(timeout=0.0, cancel_grace=0.1)
    started = asyncio.Event()
    waits = True

    @app.job(name="Interrupted")
    async def job() -> None:
        started.set()
        if waits:
            await asyncio.sleep(60)

    async with app:
        await job.enqueue()
        async with app.worker():
            await started.wait()
        first = (await Metrics(app).for_job("Interrupted")).series["Interrupted"].total
        waits = False
        async with app.worker():
            await site.drained()
        second = (await Metrics(app).for_job("Interrupted")).series["Interrupted"].total

    assert first == JobFigures()
    assert (second.executed, second.failed) == (1, 0)


@pytest.mark.parametrize(
    "given", [{"minutes": 0}, {"minutes": 481}, {"hours": 73}, {"hours": True}, {"minutes": 1, "hours": 1}]
)
async def test_a_time_out_of_range_is_refused(site: Site, given: dict[str, int]):
    async with site.app() as app:
        for ask in (Metrics(app).top_jobs, Metrics(app).queues, lambda **time: Metrics(app).for_job("Job", **time)):
            with pytest.raises(ValueError, match=r"minutes|hours"):
                await ask(**given)
