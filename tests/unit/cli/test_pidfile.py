import fcntl
import os
import signal
import subprocess
import sys
import threading

import pytest

from sidelong.cli.pidfile import Pidfile, PidfileTakenError, holder
from sidelong.errors import ConfigurationError

# A worker that is killed, and what a job of it has forked.
KILLED = """
import os, pathlib, signal, sys
from sidelong.cli.pidfile import Pidfile

Pidfile(pathlib.Path(sys.argv[1]))
if child := os.fork():
    print(os.getpid(), child, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
os.close(1)
signal.pause()
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "worker.pid"


def test_it_holds_the_pid_until_it_is_removed_and_nothing_else_is_left(path):
    pidfile = Pidfile(path)

    assert path.read_text() == f"{os.getpid()}\n"
    assert holder(path) == os.getpid()
    assert list(path.parent.iterdir()) == [path]

    pidfile.remove()
    assert holder(path) is None
    assert list(path.parent.iterdir()) == []


def test_one_that_a_living_worker_holds_is_refused_and_left_alone(path):
    Pidfile(path)

    with pytest.raises(PidfileTakenError, match=rf"^a worker runs already, with pid {os.getpid()}: {path} is its"):
        Pidfile(path)

    assert holder(path) == os.getpid()
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("left", ["99999999\n", f"{os.getppid()}\n", "1", ""])
def test_what_a_dead_worker_has_left_is_replaced_whoever_has_its_pid_now(path, left):
    path.write_text(left)
    assert holder(path) is None

    Pidfile(path)

    assert holder(path) == os.getpid()


def test_a_lock_that_outlives_its_worker_in_a_forked_process_holds_nobody_up(path):
    killed = subprocess.run([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True, timeout=30)
    pid, child = map(int, killed.stdout.split())
    try:
        assert path.read_text() == f"{pid}\n"
        assert holder(path) is None

        Pidfile(path)
        assert holder(path) == os.getpid()
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("text", ["import os\n", "0\n", "-1", "12 13", "9" * 60])
def test_a_file_with_something_else_in_it_is_left_as_it_is(path, text):
    path.write_text(text)

    with pytest.raises(ConfigurationError, match=rf"^{path} is no pidfile$"):
        Pidfile(path)

    assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_refused(path, make):
    make(path)

    with pytest.raises(ConfigurationError, match="is no pidfile"):
        Pidfile(path)


def test_where_nothing_can_be_written_a_sentence_says_so(path):
    with pytest.raises(ConfigurationError, match=r"^the pidfile .*gone/worker\.pid cannot be written: No such file"):
        Pidfile(path.parent / "gone" / "worker.pid")


def test_only_its_own_file_is_removed(path):
    pidfile = Pidfile(path)
    path.unlink()
    path.write_text("1\n")

    pidfile.remove()

    assert path.read_text() == "1\n"


def test_while_one_is_starting_another_is_refused(path):
    with (path.parent / ".worker.pid.new").open("w") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)

        with pytest.raises(PidfileTakenError, match="another worker is starting"):
            Pidfile(path)


def test_of_many_that_start_at_once_one_gets_it(path):
    path.write_text("99999999\n")
    gate, ends = threading.Barrier(8), []

    def start():
        gate.wait()
        try:
            ends.append(Pidfile(path))
        except PidfileTakenError as error:
            ends.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len([each for each in ends if isinstance(each, Pidfile)]) == 1
    assert len(ends) == 8
    assert holder(path) == os.getpid()
