import subprocess
import sys

import pytest

# Its pidfile goes before it does.
LINGERING = """
import pathlib, signal, sys
from sidelong.cli.pidfile import Pidfile

pidfile = Pidfile(pathlib.Path("worker.pid"))
signal.signal(signal.SIGTERM, lambda *_: pidfile.remove())
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def lingering(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", LINGERING], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def stranger():
    """A process that no signal may reach."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    assert process.poll() is None
    process.kill()
    process.communicate()


@pytest.mark.parametrize("order", ["quiet", "stop", "dump"])
def test_a_process_that_is_no_worker_is_not_signalled(command, project, stranger, order):
    project("worker.pid", f"{stranger.pid}\n")

    done = command("ctl", order, "--pidfile", "worker.pid")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "sidelong: no worker is running: worker.pid is left from one that has ended\n"


def test_a_stop_is_waited_for_until_the_process_is_gone(command, tmp_path, lingering):
    done = command("ctl", "stop", "--wait", "0.5", "--pidfile", "worker.pid")

    assert (done.exit_code, done.stderr) == (1, f"sidelong: pid {lingering.pid} is still running after 0.5 s\n")


@pytest.mark.parametrize(
    ("text", "words", "status", "sentence"),
    [
        (None, ["stop"], 1, "no worker is running: worker.pid does not exist"),
        ("", ["stop"], 1, "no worker is running: worker.pid is left from one that has ended"),
        ("[settings]", ["stop"], 2, "worker.pid is no pidfile"),
        ("1", ["quiet", "--wait", "1"], 2, "--wait goes with stop"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_a_status(command, project, text, words, status, sentence):
    if text is not None:
        project("worker.pid", text)

    done = command("ctl", *words, "-P", "worker.pid")

    assert (done.exit_code, done.stdout, done.stderr) == (status, "", f"sidelong: {sentence}\n")


@pytest.mark.parametrize("words", [["restart", "-P", "worker.pid"], ["stop"], []])
def test_wrong_usage_is_status_two(command, words):
    assert command("ctl", *words).exit_code == 2
