"""The application of `web` whose endpoint enqueues nothing: what the web server costs by itself."""

from typing import Any

from benchmarks import web_load
from benchmarks.workload import read_settings, run


def build() -> Any:
    """Return the application that uvicorn runs."""
    return web_load.application(_nothing)


async def _nothing() -> None: ...


if __name__ == "__main__":
    settings = read_settings()
    run(web_load.measure(settings, "benchmarks.web_no_enqueue:build"), settings)
