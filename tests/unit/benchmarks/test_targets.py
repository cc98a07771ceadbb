import pytest
from benchmarks.contestants import FIRST, FLOOR
from benchmarks.peers import RUBY
from benchmarks.targets import BEST, BEST_ASYNC, BEST_PYTHON, IDEAL, TARGETS, Target, reach, reach_all
from benchmarks.workloads import WORKLOADS

from tests.unit.benchmarks.figures import by_case, result


def test_divides_round_by_round_within_a_case():
    results = by_case(result("drain", "one", {"sidelong": [10, 30, 90], "floor": [20, 90, 100]}))

    reached = reach(Target("drain", "drain", "one", FLOOR, at_least=0.5), results)

    assert reached is not None
    assert reached.figure == 0.5
    assert reached.is_met


def test_divides_medians_across_cases():
    results = by_case(
        result("drain", "four", {"sidelong": [10, 40, 90]}), result("drain", "one", {"sidelong": [60, 20, 50]})
    )

    reached = reach(Target("drain", "drain", "four", FIRST, at_least=0.9, against_case="one", unit="of one"), results)

    assert reached is not None
    assert reached.figure == 0.8
    assert reached.words == "0.80 of one"
    assert not reached.is_met


def test_divides_by_another_workload():
    results = by_case(
        result("failing", "100 slots", {"sidelong": [30]}), result("drain", "100", {"sidelong": [60], "floor": [90]})
    )
    target = Target("f", "failing", "100 slots", FIRST, at_least=0.5, against_workload="drain", against_case="100")

    reached = reach(target, results)

    assert reached is not None
    assert reached.figure == 0.5


def test_takes_the_best_of_a_group_and_names_it():
    runs = {"sidelong": [100], "arq": [5], "rq": [20], "taskiq": [10], RUBY.name: [50]}
    results = by_case(result("drain", "one", runs))

    python = reach(Target("drain", "drain", "one", BEST_PYTHON, at_least=2), results)
    asynchronous = reach(Target("drain", "drain", "one", BEST_ASYNC, at_least=2), results)

    assert python is not None
    assert (python.figure, python.other) == (5, "rq")
    assert asynchronous is not None
    assert (asynchronous.figure, asynchronous.other) == (10, "taskiq")


def test_the_best_is_the_least_where_less_is_better():
    runs = {"sidelong": [300], "arq": [900], RUBY.name: [600]}
    results = by_case(result("latency", "one", runs, measure="p50 µs"))

    reached = reach(Target("latency", "latency", "one", BEST, at_most=1), results)

    assert reached is not None
    assert (reached.figure, reached.other) == (0.5, RUBY.name)
    assert reached.is_met


@pytest.mark.parametrize(("floor", "figure"), [([90.0], 0.8), ([120.0], 0.72), ([], 0.72)])
def test_the_ideal_gives_way_to_a_floor_that_does_not_reach_it(floor, figure):
    runs = {"sidelong": [72.0], **({"floor": floor} if floor else {})}
    results = by_case(result("io", "100 slots", runs, measure="% of ideal"))

    reached = reach(Target("io", "io", "100 slots", IDEAL, at_least=0.8), results)

    assert reached is not None
    assert reached.figure == pytest.approx(figure)


def test_a_figure_of_its_own_is_held_against_the_bound():
    results = by_case(result("schedule", "5,000", {"sidelong": [80, 99, 300]}, measure="first ms"))

    reached = reach(Target("schedule", "schedule", "5,000", at_most=100, unit="ms"), results)

    assert reached is not None
    assert reached.figure == 99
    assert reached.target.aim == "at most 100 ms"
    assert reached.is_met


def test_being_ahead_takes_more_than_being_equal():
    results = by_case(result("enqueue", "one", {"sidelong": [10], "arq": [10]}))

    equal = reach(Target("enqueue", "enqueue", "one", BEST_ASYNC, at_least=1), results)
    ahead = reach(Target("enqueue", "enqueue", "one", BEST_ASYNC, at_least=1, is_strict=True), results)

    assert equal is not None
    assert equal.is_met
    assert ahead is not None
    assert not ahead.is_met


def test_a_miss_by_a_hair_does_not_read_as_the_bound():
    results = by_case(result("drain", "one", {"sidelong": [5_996], "floor": [10_000]}))

    reached = reach(Target("drain", "drain", "one", FLOOR, at_least=0.60), results)

    assert reached is not None
    assert reached.words == "0.5996 of the floor"


@pytest.mark.parametrize(
    "runs",
    [
        {},
        {"floor": [10]},
        {"sidelong": [10]},
        {"sidelong": [10], "floor": [0]},
    ],
)
def test_without_figures_nothing_is_said(runs):
    target = Target("drain", "drain", "one", FLOOR, at_least=0.60)

    found, unknown = reach_all([target], by_case(result("drain", "one", runs)))

    assert found == []
    assert unknown == [target]


def test_a_measure_that_nobody_gave_is_no_figure():
    results = by_case(result("latency", "one", {"sidelong": [10], "floor": [10]}, measure="p50 µs"))

    assert reach(Target("latency", "latency", "one", FLOOR, at_most=3, measure="p99 µs"), results) is None


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.name}-{target.against}")
def test_every_target_names_a_workload_and_a_case_that_exist(target):
    places = {(target.workload, target.case)}
    places.add((target.against_workload or target.workload, target.against_case or target.case))

    for workload, case in places:
        assert case in [each.name for each in WORKLOADS[workload].cases]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.name}-{target.against}")
def test_every_target_has_one_bound_and_says_what_it_counts(target):
    assert (target.at_least is None) != (target.at_most is None)
    assert target.against or target.unit
