import pytest
from benchmarks.contestants import Contestant, own_contestants
from benchmarks.workload import Case, Workload
from benchmarks.workloads import WORKLOADS

CASE = Case("one", {}, 1_000, peer_jobs=400)


def workload(measure):
    return Workload("drain", "", (CASE,), measure, "benchmarks.drain", quick=50)


@pytest.mark.parametrize(
    ("contestant", "measure", "most", "jobs"),
    [
        (Contestant("sidelong", ()), "jobs/s", None, 1_000),
        (Contestant("sidelong", ()), "jobs/s", 50, 50),
        (Contestant("arq", (), is_peer=True), "jobs/s", None, 400),
        (Contestant("rq", (), is_peer=True, share=0.1), "jobs/s", None, 40),
        (Contestant("sidekiq", (), is_peer=True, share=3.0), "jobs/s", None, 1_200),
        (Contestant("rq", (), is_peer=True, share=0.001), "jobs/s", None, 10),
        (Contestant("rq", (), is_peer=True, share=0.1), "p50 µs", None, 400),
        (Contestant("arq", (), is_peer=True), "jobs/s", 50, 50),
    ],
)
def test_a_library_gets_its_share_of_the_jobs_where_a_pace_is_measured(contestant, measure, most, jobs):
    assert contestant.jobs(workload(measure), CASE, most) == jobs


@pytest.mark.parametrize(
    ("name", "contestants"),
    [
        ("drain", ["sidelong", "uvloop", "floor", "floor on uvloop", "bare socket"]),
        ("failing", ["sidelong", "floor"]),
        ("latency", ["sidelong", "uvloop", "floor", "floor on uvloop", "redis-py"]),
        ("web", ["sidelong", "redis-py", "no enqueue"]),
        ("stored", ["sidelong", "sidekiq"]),
    ],
)
def test_the_floor_is_on_uvloop_where_sidelong_is(name, contestants):
    assert [each.name for each in own_contestants(WORKLOADS[name], None)] == contestants


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=WORKLOADS)
def test_a_case_refers_to_one_that_is_measured_before(workload):
    before = set()
    for case in workload.cases:
        assert case.to == "" or case.to in before
        before.add(case.name)
