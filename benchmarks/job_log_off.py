"""The job log switched off with `job_logging=False`: what `job_log` is compared with."""

from benchmarks.job_log import measure
from benchmarks.workload import read_settings, run

if __name__ == "__main__":
    settings = read_settings()
    run(measure(settings, is_on=False), settings)
