import fcntl
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import tests.chaos.__main__ as program
from tests.chaos import dump_file
from tests.chaos.ends import FAILURE, summary, worst
from tests.chaos.events import QUIET, RESTED
from tests.chaos.kept_run import PLAN
from tests.chaos.plans import PLANS, Plan
from tests.chaos.signals import ending_in_order
from tests.chaos.verdict import Verdict
from tests.support.ledger import Ledger

CLEAN = {
    "jobs": 1,
    "killed": 0,
    "cuts": 0,
    "malformed": 0,
    "lost": 0,
    "lost by Redis": 0,
    "unexplained duplicates": 0,
    "starved": 0,
    "began twice": 0,
    "ended twice": 0,
    "counters": "exact",
    "recovered within": "",
    "disturbed recovered within": "",
    "resumed within": "",
}

Run = Callable[..., Verdict]


def verdict(*violations: str) -> Verdict:
    made = Verdict(dict(CLEAN))
    for text in violations:
        made.violate("I1", text)
    return made


@pytest.fixture
def do_run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    """Let another function stand for running a plan, which needs no server."""
    monkeypatch.setattr(program, "_require_redis", lambda: None)
    return lambda run: monkeypatch.setattr(program, "run", run)


def leaving(made: Verdict) -> Run:
    """A run that leaves what a run leaves."""

    def run(plan: Plan, seed: int, directory: Path, *, broken: str) -> Verdict:
        assert [path.name for path in directory.iterdir()] == ["lock"]
        (directory / PLAN).write_text("{}")
        (directory / "ledger").mkdir()
        (directory / "verdict.json").write_text("{}")
        return made

    return run


def failing(plan: Plan, seed: int, directory: Path, *, broken: str) -> Verdict:
    (directory / PLAN).write_text("{}")
    raise RuntimeError("the flux capacitor is empty\n  Traceback\nKeyError: 'plutonium'")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("run --jobs 0", "argument --jobs: 0 is too few: it must be 1 or more"),
        ("run --jobs many", "argument --jobs: 'many' is not a whole number"),
        ("run --seeds -3", "argument --seeds: -3 is too few: it must be 1 or more"),
        ("run --seed one", "argument --seed: 'one' is not a whole number"),
        ("matrix --at-once 0", "argument --at-once: 0 is too few"),
        ("starts --times 1.5", "argument --times: '1.5' is not a whole number"),
        ("memory --jobs 10", "argument --jobs: 10 is too few: it must be 10000 or more"),
        ("soak --minutes 0", "argument --minutes: 0 is too few"),
        ("soak --minutes=-1", "argument --minutes: -1 is too few"),
        ("soak --minutes inf", "argument --minutes: 'inf' is not a number"),
        ("soak --load nan", "argument --load: 'nan' is not a number"),
        ("soak --load 0", "argument --load: 0 is no part: it must be more than 0, and 1 at most"),
        ("soak --load 1.01", "argument --load: 1.01 is no part"),
        ("soak --load half", "argument --load: 'half' is not a number"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_with_a_sentence(
    words: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        program.main(words.split())

    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


def test_a_plan_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["run", "--plan=failover+cut", "--dry-run"]) == 2

    assert capsys.readouterr().err.startswith("failover and cut cannot be joined: ")


def test_every_plan_is_told_with_how_long_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["run", "--help"])

    told = capsys.readouterr().out
    assert all(f"  {name} (" in told for name in PLANS)
    assert "smoke (18 s)" in told
    assert "redis-outage" in told


def test_nothing_is_run_without_a_server(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.redis_server.EXECUTABLE", "no such server")

    assert program.main(["run"]) == 2

    assert capsys.readouterr().err.endswith("is not on PATH: nothing can be run\n")


def test_nothing_is_run_with_a_server_that_does_not_start(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.support.redis_server.EXECUTABLE", sys.executable)

    assert program.main(["run"]) == 2

    assert capsys.readouterr().err == f"nothing can be run: {sys.executable} does not start\n"


# What a run leaves, and how it ends.


def test_a_run_that_holds_is_kept_only_if_told_to(
    do_run: Callable[[Run], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    do_run(leaving(verdict()))

    assert program.main(["run"]) == 0
    assert program.main(["run", f"--keep={tmp_path / 'kept'}"]) == 0

    assert [path.name for path in tmp_path.iterdir() if any(path.iterdir())] == ["kept"]
    assert (tmp_path / "kept/smoke-1" / PLAN).exists()


def test_an_earlier_run_is_replaced_once_it_has_ended(do_run: Callable[[Run], None], tmp_path: Path) -> None:
    do_run(leaving(verdict()))
    assert program.main(["run", f"--keep={tmp_path}"]) == 0
    (tmp_path / "smoke-1/ledger/of an earlier run").touch()

    assert program.main(["run", f"--keep={tmp_path}"]) == 0

    assert list((tmp_path / "smoke-1/ledger").iterdir()) == []


def test_a_run_that_is_under_way_is_left_alone(
    do_run: Callable[[Run], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    do_run(leaving(verdict()))
    program.main(["run", f"--keep={tmp_path}"])

    with (tmp_path / "smoke-1/lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        status = program.main(["run", f"--keep={tmp_path}"])

    assert status == 2
    assert capsys.readouterr().err == f"another run is under way in {tmp_path / 'smoke-1'}\n"
    assert (tmp_path / "smoke-1/verdict.json").exists()


@pytest.mark.parametrize("names", [["notes"], [PLAN], ["verdict.json"], ["lock", PLAN]])
def test_what_is_no_run_that_has_ended_is_not_removed(
    names: list[str], do_run: Callable[[Run], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    do_run(leaving(verdict()))
    (tmp_path / "smoke-1").mkdir()
    for name in names:
        (tmp_path / "smoke-1" / name).touch()

    assert program.main(["run", f"--keep={tmp_path}"]) == 2

    assert "is not empty, and holds no run that has ended: nothing is removed" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / "smoke-1").iterdir()} == set(names)


def test_a_directory_that_cannot_be_written_is_refused(
    do_run: Callable[[Run], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    do_run(leaving(verdict()))
    (tmp_path / "file").touch()

    assert program.main(["run", f"--keep={tmp_path / 'file'}"]) == 2

    assert capsys.readouterr().err == f"{tmp_path / 'file/smoke-1'} cannot be written: Not a directory\n"


def test_an_invariant_that_does_not_hold_is_told_with_where_everything_is_kept(
    do_run: Callable[[Run], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    do_run(leaving(verdict("1 is lost")))

    assert program.main(["run", f"--keep={tmp_path}"]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[1:3] == ["I1: 1 is lost", f"ledger, logs and dump are kept in {tmp_path / 'smoke-1'}"]
    assert lines[-1].endswith("FAIL (1 violations)")


def test_a_run_that_comes_to_no_end_is_told_in_one_line(
    do_run: Callable[[Run], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    do_run(failing)

    assert program.main(["run", f"--keep={tmp_path}"]) == 3

    assert capsys.readouterr().err == (
        "the run came to no end: RuntimeError: the flux capacitor is empty KeyError: 'plutonium';"
        f" ledger and logs are kept in {tmp_path / 'smoke-1'}\n"
    )
    assert "in failing\n" in (tmp_path / "smoke-1" / FAILURE).read_text()


def test_the_other_seeds_are_run_after_one_that_failed(
    do_run: Callable[[Run], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(plan: Plan, seed: int, directory: Path, *, broken: str) -> Verdict:
        if seed == 5:
            return failing(plan, seed, directory, broken=broken)
        return leaving(verdict("1 is lost") if seed == 6 else verdict())(plan, seed, directory, broken=broken)

    do_run(run)

    assert program.main(["run", f"--keep={tmp_path}", "--seed=5", "--seeds=4"]) == 1

    assert capsys.readouterr().out.splitlines()[-1] == "4 runs: 2 held, 1 did not, 1 came to no end"


@pytest.mark.parametrize(
    ("statuses", "status", "words"),
    [
        ([0, 0], 0, "2 runs: 2 held, 0 did not"),
        ([0, 3, 1], 1, "3 runs: 1 held, 1 did not, 1 came to no end"),
        ([0, 2, -9], 3, "3 runs: 1 held, 0 did not, 1 came to no end, 1 could not be run"),
        ([2, 0], 2, "2 runs: 1 held, 0 did not, 1 could not be run"),
    ],
)
def test_the_worst_that_was_found_is_the_status_of_several_runs(statuses: list[int], status: int, words: str) -> None:
    assert (worst(statuses), summary(statuses)) == (status, words)


# Signals.


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    before = signal.signal(request.param, signal.default_int_handler)
    yield request.param
    signal.signal(request.param, before)


def test_a_signal_ends_a_run_and_tells_where_it_is_kept(
    number: signal.Signals, do_run: Callable[[Run], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(plan: Plan, seed: int, directory: Path, *, broken: str) -> Verdict:
        os.kill(os.getpid(), number)
        return verdict()

    do_run(run)

    with pytest.raises(SystemExit) as caught:
        program.main(["run", f"--keep={tmp_path}"])

    assert caught.value.code == 128 + number
    assert capsys.readouterr().err == f"the run was stopped; ledger and logs are kept in {tmp_path / 'smoke-1'}\n"
    assert signal.getsignal(number) is signal.default_int_handler


def test_a_second_signal_does_not_disturb_the_way_out(number: signal.Signals) -> None:
    ended = []

    def end_everything() -> None:
        os.kill(os.getpid(), number)
        ended.append("everything")

    def be_ended() -> None:
        with ending_in_order(), ExitStack() as stack:
            stack.callback(end_everything)
            os.kill(os.getpid(), number)

    with pytest.raises(SystemExit):
        be_ended()

    assert ended == ["everything"]


# Checking again.


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A directory with what a run of no jobs leaves."""
    (tmp_path / PLAN).write_text(json.dumps({"seed": 1, "broken": "", "name": "calm"}))
    ledger = Ledger(tmp_path / "ledger")
    ledger.write(QUIET)
    ledger.write(RESTED, extra="after=0.0 left=0")
    ledger.close()
    dump_file.save(tmp_path / "dump.json", {})
    return tmp_path


def test_a_kept_run_is_checked_again(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = program.main(["check", str(kept)])

    assert (status, capsys.readouterr().out[:6]) == (0, "0 jobs")
    assert json.loads((kept / "verdict.json").read_text())["violations"] == []


def test_a_kept_run_is_checked_where_nothing_can_be_written(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program.main(["check", str(kept)])
    first = capsys.readouterr().out
    (kept / "verdict.json").unlink()
    (kept / "verdict.json").mkdir()

    program.main(["check", str(kept)])

    assert capsys.readouterr().out == first


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        (PLAN, None, "holds no run: it has no plan.json"),
        (PLAN, "{", "holds no run that can be read"),
        (PLAN, '{"name": "calm", "colour": "red"}', "holds no run that can be read"),
        ("dump.json", None, "holds no whole run"),
        ("dump.json", "[1]", "holds no run that can be read"),
        ("dump.json", '{"a": {}}', "holds no run that can be read"),
    ],
)
def test_a_kept_run_that_cannot_be_read_is_refused(
    name: str, text: str | None, complaint: str, kept: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (kept / name).unlink()
    if text is not None:
        (kept / name).write_text(text)

    assert program.main(["check", str(kept)]) == 2

    assert capsys.readouterr().err.startswith(f"{kept} {complaint}")


def test_a_kept_run_without_its_ledger_is_refused(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (kept / "ledger").iterdir():
        path.unlink()

    assert program.main(["check", str(kept)]) == 2

    assert capsys.readouterr().err == f"{kept} holds no whole run: its ledger is missing or empty\n"
