"""Job log: what the start and done lines of a draining worker cost, written as `sidelong run` writes them.

The standard error of a measuring process is a pipe that the program which started it reads.
"""

import os

from benchmarks import drain
from benchmarks.workload import Case, Measures, Settings, Workload, read_settings, run
from sidelong.cli.logs import configure_logging


async def measure(settings: Settings, *, is_on: bool = True) -> Measures:
    """Drain the queues with a log, and return the pace."""
    if settings["to"] != "pipe":
        os.dup2(os.open(settings["to"], os.O_WRONLY), 2)
    configure_logging(False, settings["format"])
    return await drain.measure({**settings, "app": {"job_logging": is_on}})


def _case(log_format: str, to: str) -> Case:
    settings = {"slots": 100, "queues": {"default": 0}, "format": log_format, "to": to}
    return Case(f"{log_format} to {to}", settings, 40_000)


WORKLOAD = Workload(
    name="job-log",
    about="a worker empties a queue and logs each job; beside it the same without these lines",
    cases=(_case("plain", os.devnull), _case("plain", "pipe"), _case("json", "pipe")),
    measure="jobs/s",
    module="benchmarks.job_log",
    beside={"off": "benchmarks.job_log_off"},
    quick=2_000,
    load=drain.load,
)


if __name__ == "__main__":
    settings = read_settings()
    run(measure(settings), settings)
