import json

import pytest
from benchmarks.contestants import CHECKOUT, FLOOR
from benchmarks.page import BEGIN, END, main, page
from benchmarks.targets import Target
from benchmarks.workloads import WORKLOADS

from tests.unit.benchmarks.figures import result, written

DRAIN = result("drain", "100 slots, one queue", {"sidelong": [100, 120, 110], "floor": [200, 200, 200]})
TARGET = Target("drain, 100 slots", "drain", "100 slots, one queue", FLOOR, at_least=0.60)


@pytest.fixture
def write(tmp_path):
    def write(name, *results):
        path = tmp_path / name
        path.write_text(json.dumps(written(*results)))
        return str(path)

    return write


def test_a_target_that_is_not_reached_is_said_to_be_missed():
    text = page([written(DRAIN)], targets=[TARGET])

    assert "| drain, 100 slots | at least 0.60 of the floor | 0.55 | **no** |" in text
    assert "- drain, 100 slots: 0.55 of the floor; 0.60 was aimed at." in text


def test_a_target_that_is_reached_is_not():
    text = page([written(DRAIN)], targets=[Target("drain", "drain", DRAIN.case, FLOOR, at_least=0.50)])

    assert "| drain | at least 0.50 of the floor | 0.55 | yes |" in text
    assert "Not reached" not in text


def test_a_target_without_figures_is_named():
    text = page([written(DRAIN)], targets=[TARGET, Target("latency, p50", "latency", "one", at_most=300, unit="µs")])

    assert "No figures for: latency, p50 (at most 300 µs)." in text


def test_a_case_has_a_row_for_each_contestant_the_fastest_library_first():
    case = result("drain", "one", {"arq": [10, 12], "sidelong": [100, 120], "saq": [20, 20], "floor": [200, 300]})

    text = page([written(case)], targets=[])

    assert [line for line in text.splitlines() if line.startswith("|")] == [
        "|  | jobs/s | spread | ratio |",
        "|---|--:|--:|--:|",
        "| Sidelong | 110 | 18 % |  |",
        "| floor | 250 | 40 % | 0.45 (0.40 to 0.50) |",
        "| saq | 20.0 | 0 % | 5.50 (5.00 to 6.00) |",
        "| arq | 11.0 | 18 % | 10.0 (10.0 to 10.0) |",
    ]
    assert "`python -m benchmarks drain --peers`" in text


def test_what_sidelong_does_alone_is_one_table():
    cases = [
        result("idle", "1 queue", {"sidelong": [2, 3, 4]}, measure="commands/s", jobs=12, counts="seconds"),
        result("idle", "10", {"sidelong": [6, 6, 6]}, measure="commands/s", jobs=12, counts="seconds", to="1 queue"),
    ]

    text = page([written(*cases)], targets=[])

    assert "The ratio is to 1 queue." in text
    assert [line for line in text.splitlines() if line.startswith("|")] == [
        "|  | seconds | commands/s | spread | ratio |",
        "|---|--:|--:|--:|--:|",
        "| 1 queue | 12 | 3.00 | 67 % |  |",
        "| 10 | 12 | 6.00 | 0 % | 2.00 |",
    ]


def test_without_cases_to_compare_there_is_no_ratio():
    text = page([written(result("scale", "all", {"sidelong": [2, 3, 4]}))], targets=[])

    assert "|  | jobs | jobs/s | spread |" in text
    assert "The ratio is to" not in text


def test_uvloop_is_divided_by_the_floor_on_uvloop():
    figures = {"sidelong": [10], "uvloop": [30], "floor": [20], "floor on uvloop": [40]}

    text = page([written(result("drain", "one", figures))], targets=[])

    assert "| floor | 20.0 |  | 0.50 |" in text
    assert "| floor on uvloop | 40.0 |  | 0.75 |" in text


def test_a_library_that_always_takes_part_needs_no_peers_and_has_no_picture(write, tmp_path):
    stored = result("stored", "HardJob with two arguments", {"sidelong": [168], "sidekiq": [168]}, measure="bytes/job")

    main([write("a.json", stored), "--docs", str(tmp_path)])

    text = (tmp_path / "benchmarks.md").read_text()
    assert "`python -m benchmarks stored`" in text
    assert "| Ruby's Sidekiq | 168 |" in text
    assert not (tmp_path / "images").exists()


def test_the_least_time_is_the_best():
    case = result("latency", "one", {"sidelong": [9], "arq": [50], "saq": [20]}, measure="p50 µs")

    lines = page([written(case)], targets=[]).splitlines()

    assert [line.split(" |")[0] for line in lines if line.startswith("| ")] == ["| ", "| Sidelong", "| saq", "| arq"]


def test_names_what_could_not_run_with_its_reason_and_no_path_of_this_machine():
    path = f"{CHECKOUT}/build/peers/saq"
    failures = {
        "saq": f"no file {path}",
        "arq": "cannot import 'x' (/home/somebody/lib/x.py), says file:///opt/a/index at redis://127.0.0.1:6379/0",
    }
    cases = [
        result("drain", name, {"sidelong": [9]}, failures=failures, declined={"rq": "no slots"})
        for name in ("one", "two")
    ]
    cases[1].declined["huey"] = "one queue only"

    text = page([written(*cases)], targets=[])

    assert "- saq could not be measured: no file build/peers/saq." in text
    assert "- arq could not be measured: cannot import 'x' (x.py), says index at redis://127.0.0.1:6379/0." in text
    assert "- rq does not take part: no slots." in text
    assert "- huey (two) does not take part: one queue only." in text


def test_a_workload_that_could_not_be_measured_at_all_is_named():
    case = result("drain", "one", {}, failures={"sidelong": "it said nothing"})

    assert "- Sidelong could not be measured: it said nothing." in page([written(case)], targets=[])


def test_a_workload_that_the_program_does_not_know_is_shown():
    text = page([written(result("of-old", "one", {"sidelong": [9]}))], targets=[])

    assert "## Of old\n\n`python -m benchmarks of-old`." in text


def test_says_how_and_where_it_was_measured():
    text = " ".join(page([written(DRAIN)], targets=[]).split())

    assert "medians of three rounds" in text
    assert "two cores" in text
    assert "its load average was 0.50 before" in text
    assert "Python 3.11.7, Redis 7.0.15, Sidelong 0.1.0, arq 0.28.0" in text


def test_says_between_which_loads_several_files_were_measured():
    loaded = written(DRAIN)
    loaded["machine"] = {**loaded["machine"], "load": 1.25}

    assert "its load average was 0.50 to 1.25 before" in " ".join(page([loaded, written(DRAIN)], targets=[]).split())


def test_says_that_quick_runs_prove_nothing():
    (case,) = [case for case in WORKLOADS["drain"].cases if case.name == DRAIN.case]
    whole = result("drain", case.name, {"sidelong": [9]}, jobs=case.jobs)
    quick = result("drain", case.name, {"sidelong": [9]}, jobs=case.jobs - 1)

    assert "shorter than they should be" not in page([written(whole)], targets=[])
    assert "shorter than they should be" in page([written(quick)], targets=[])


def test_a_later_file_replaces_the_same_case(write):
    again = result("drain", "100 slots, one queue", {"sidelong": [190], "floor": [200]})
    other = result("drain", "10 slots, one queue", {"sidelong": [44], "floor": [99]})

    text = page([written(DRAIN, other), written(again)], targets=[TARGET])

    assert "| drain, 100 slots | at least 0.60 of the floor | 0.95 | yes |" in text
    assert "| Sidelong | 190 |" in text
    assert "| Sidelong | 110 |" not in text
    assert "**10 slots, one queue**" in text


def test_what_is_written_by_hand_stays(write, tmp_path):
    mine = f"{BEGIN}\n## Where the time goes\n\nMine.\n{END}"
    (tmp_path / "benchmarks.md").write_text(f"# Old\n\n{mine}\n\nold figures\n")

    status = main([write("a.json", DRAIN), "--docs", str(tmp_path)])

    assert status == 0
    text = (tmp_path / "benchmarks.md").read_text()
    assert mine in text
    assert "old figures" not in text


def test_a_new_page_has_room_for_what_is_written_by_hand(write, tmp_path):
    main([write("a.json", DRAIN), "--docs", str(tmp_path)])

    assert f"{BEGIN}\n{END}" in (tmp_path / "benchmarks.md").read_text()


@pytest.mark.parametrize("old", [f"{BEGIN}\nmine", f"mine\n{END}", f"{END} mine {BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_page_whose_marks_are_broken_is_left_as_it_is(old, write, tmp_path, capsys):
    (tmp_path / "benchmarks.md").write_text(old)

    status = main([write("a.json", DRAIN), "--docs", str(tmp_path)])

    assert status == 1
    assert (tmp_path / "benchmarks.md").read_text() == old
    assert "left as it is" in capsys.readouterr().err


def test_check_prints_the_targets_and_writes_nothing(write, tmp_path, capsys):
    status = main([write("a.json", DRAIN), "--check", "--docs", str(tmp_path)])

    printed = capsys.readouterr().out
    assert status == 1
    assert "| drain, 100 slots | at least 0.60 of the floor | 0.55 | **no** |" in printed
    assert "# Benchmarks" not in printed
    assert not (tmp_path / "benchmarks.md").exists()


def test_check_is_content_when_what_was_measured_is_reached(write, tmp_path):
    fast = result("drain", "100 slots, one queue", {"sidelong": [190], "floor": [200]})

    assert main([write("a.json", fast), "--check"]) == 0


def test_only_workloads_with_other_libraries_have_a_picture(write, tmp_path):
    pytest.importorskip("matplotlib")
    enqueue = result("enqueue", "one by one", {"sidelong": [9], "arq": [5]})

    main([write("a.json", DRAIN, enqueue), "--docs", str(tmp_path)])

    assert [path.name for path in (tmp_path / "images" / "benchmarks").iterdir()] == ["enqueue.svg"]
    text = (tmp_path / "benchmarks.md").read_text()
    assert "(images/benchmarks/enqueue.svg)" in text
    assert "drain.svg" not in text
