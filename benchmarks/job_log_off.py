"""The job log switched off with `job_logging=False`: what `job_log` is compared with."""

from benchmarks.job_log import measure
from benchmarks.workload import read_settings, tell

if __name__ == "__main__":
    tell(measure(read_settings(), is_on=False))
