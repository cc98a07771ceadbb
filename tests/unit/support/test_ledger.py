import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.ledger import END, FAIL, KILLED, START, Event, History, Ledger, read


def history(*lines: str) -> History:
    events = []
    for ns, line in enumerate(lines):
        pid, name, jid, *extra = line.split()
        events.append(Event(ns, int(pid), name, "" if jid == "-" else jid, " ".join(extra)))
    return History(events)


def test_reads_back_what_was_written(ledger: Ledger) -> None:
    ledger.write(START, "jid1")
    ledger.write(FAIL, "jid1", "ValueError: two\nlines")
    ledger.write("NOTE")

    events = read(ledger.directory)

    assert [(event.pid, event.name, event.jid, event.extra) for event in events] == [
        (os.getpid(), START, "jid1", ""),
        (os.getpid(), FAIL, "jid1", "ValueError: two lines"),
        (os.getpid(), "NOTE", "", ""),
    ]
    assert events == sorted(events)


def test_merges_processes_and_survives_their_death(ledger: Ledger) -> None:
    ledger.write("BEFORE")
    program = (
        "import os, sys; from tests.support.ledger import Ledger; ledger = Ledger(sys.argv[1]);"
        "ledger.write('START', 'jid1'); os.kill(os.getpid(), 9)"
    )
    died = subprocess.run([sys.executable, "-c", program, str(ledger.directory)], check=False)
    ledger.write("AFTER")

    assert died.returncode == -signal.SIGKILL
    assert [event.name for event in read(ledger.directory)] == ["BEFORE", START, "AFTER"]


def test_a_line_being_written_is_left_for_later(tmp_path: Path) -> None:
    (tmp_path / "1.ledger").write_text("1 1 START a \n2 1 END a \n3 1 STA")

    assert [event.name for event in read(tmp_path)] == [START, END]


def test_cuts_what_is_too_long_for_one_write(ledger: Ledger) -> None:
    ledger.write(START, "jid1", "x" * 100_000)
    ledger.write(END, "jid1")

    assert [event.name for event in read(ledger.directory)] == [START, END]


def test_a_job_that_never_ended_and_waits_nowhere_is_lost() -> None:
    told = history("1 START a", "1 END a", "1 START b", "1 START c")

    assert told.lost(["a", "b", "c", "d"], waiting={"c"}) == {"b", "d"}


def test_tells_running_twice_from_ending_twice() -> None:
    told = history("1 START a", "2 START a", "2 END a", "1 START b", "1 END b", "2 START b", "2 END b")

    assert told.ran_twice() == {"a", "b"}
    assert told.ended_twice() == {"b"}


def test_a_second_run_is_explained_by_the_death_of_the_first_runner() -> None:
    told = history("1 START a", "1 START b", "9 KILLED - 1", "2 START a", "2 END a", "2 START c", "3 START c")

    assert told.killed() == {1}
    assert told.unexplained() == {"c"}
    assert told.unexplained(troubled=[2]) == {"a"}


def test_overlapping_runs_of_living_processes_are_found() -> None:
    told = history("1 START a", "2 START a", "2 END a", "1 END a", "1 START b", "1 FAIL b", "2 START b", "2 END b")

    assert told.overlapping() == {"a"}
    assert told.most_at_once() == 2


def test_keeps_the_order_of_starts() -> None:
    assert history("1 START b", "2 START a", "1 END b").order() == ["b", "a"]
    assert [event.name for event in history("9 KILLED - 1").named(KILLED)] == [KILLED]
