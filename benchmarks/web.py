"""Web: requests to a Starlette application whose endpoint enqueues a job, from 50 keep-alive connections.

Beside it the same application with redis-py in place of Sidelong, and with nothing: what the web server
costs by itself.
"""

from typing import Any

from benchmarks import web_load
from benchmarks.contestants import REDIS_PY
from benchmarks.payloads import JOB
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run
from sidelong import Sidelong


def build() -> Any:
    """Return the application that uvicorn runs."""
    app = Sidelong(web_load.redis_url())

    @app.job(name=JOB)
    async def noop(number: int) -> None:
        """Do nothing."""

    return web_load.application(lambda: noop.enqueue(1), app.lifespan())


async def measure(settings: Settings) -> Measures:
    """Put the application under load and return how it answered."""
    return await web_load.measure(settings, "benchmarks.web:build")


WORKLOAD = Workload(
    name="web",
    about="an endpoint that enqueues one job, from 50 keep-alive connections",
    cases=(Case("50 connections", {"connections": 50}, 10_000),),
    measure="requests/s",
    module="benchmarks.web",
    beside={REDIS_PY: "benchmarks.redis_py", "no enqueue": "benchmarks.web_no_enqueue"},
    quick=500,
)


if __name__ == "__main__":
    settings = read_settings()
    run(measure(settings), settings)
