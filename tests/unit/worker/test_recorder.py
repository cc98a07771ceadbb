import math

import pytest

from sidelong.core.job_figures import JobFigures
from sidelong.core.outcome import DROPPED, Dead, Retry
from sidelong.worker.recorder import UNKNOWN_JOBS, Recorder


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def taken(recorder: Recorder) -> dict[str, JobFigures]:
    jobs, _ = recorder.take()
    return jobs


def test_counts_by_class_how_executions_end(recorder: Recorder):
    tally = recorder.tallies["Job", "default"]
    tally.took += [0.03, 0.03]
    for outcome in (Retry(b"", 1.0), Dead(b""), DROPPED):
        tally.fail(outcome)
    recorder.tallies["Other", "default"].took.append(0.0)

    jobs = taken(recorder)

    job = jobs["Job"]
    assert (job.executed, job.failed, job.retried, job.dead, job.discarded) == (5, 3, 1, 1, 1)
    assert (job.milliseconds, job.histogram[2], sum(job.histogram)) == (60, 2, 2)
    assert jobs["Other"].executed == 1


def test_counts_by_queue_as_well(recorder: Recorder):
    for name, queue in (("Job", "a"), ("Job", "b"), ("Job", "a"), ("Other", "b")):
        recorder.tallies[name, queue].took.append(0.0)

    jobs, queues = recorder.take()

    assert {name: figures.executed for name, figures in jobs.items()} == {"Job": 3, "Other": 1}
    assert {name: figures.executed for name, figures in queues.items()} == {"a": 2, "b": 2}


def test_what_was_taken_is_not_counted_again(recorder: Recorder):
    tally = recorder.tallies["Job", "default"]
    tally.took.append(1.0)
    recorder.take()

    nothing = recorder.take()
    tally.took.append(2.0)

    assert nothing == ({}, {})
    assert taken(recorder)["Job"].milliseconds == 2000


def test_time_less_than_a_millisecond_is_kept_until_it_is_one(recorder: Recorder):
    milliseconds = 0

    for _ in range(100):
        recorder.tallies["Job", "default"].took.append(0.0003)
        milliseconds += taken(recorder)["Job"].milliseconds

    assert milliseconds == pytest.approx(30, abs=1)


def test_remembers_no_single_durations_beyond_a_few_thousand(recorder: Recorder):
    tally, most = recorder.tallies["Job", "default"], 0

    for _ in range(100):
        tally.took += [0.25] * 200
        tally.waited += [1.0] * 200
        recorder.fold(200)
        most = max(most, len(tally.took) + len(tally.waited))

    assert most < 10_000
    job = taken(recorder)["Job"]
    assert (job.executed, job.milliseconds, job.waits, job.waited_ms) == (20_000, 5_000_000, 20_000, 20_000_000)


@pytest.mark.parametrize(
    ("waited", "waits", "waited_ms"),
    [([2.5, 1.0], 2, 3500), ([-60.0, 1.0], 2, 1000), ([math.nan], 0, 0), ([math.inf, 1.0], 1, 1000), ([1e308], 0, 0)],
)
def test_what_cannot_be_a_wait_is_left_out(recorder: Recorder, waited: list[float], waits: int, waited_ms: int):
    tally = recorder.tallies["Job", "default"]
    tally.took.append(0.0)
    tally.waited += waited

    job = taken(recorder)["Job"]

    assert (job.executed, job.waits, job.waited_ms) == (1, waits, waited_ms)


def test_jobs_that_nobody_knows_are_counted_as_one(recorder: Recorder):
    for queue in ("a", "b"):
        recorder.tallies["", queue].fail(Retry(b"", 1.0))

    assert taken(recorder)[UNKNOWN_JOBS].failed == 2
