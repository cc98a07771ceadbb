import os
import signal
import subprocess
import sys

import pytest

from sidelong.cli.flags import LogFormat, Loop
from sidelong.core.config import EVENT_LOOPS, LOG_FORMATS


@pytest.fixture
def sidelong(tmp_path):
    """Runs the command in an empty directory."""

    def run(*words, **environment):
        return subprocess.run(
            [sys.executable, "-m", "sidelong", *words],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=30,
        )

    return run


@pytest.fixture
def app_file(tmp_path):
    file = tmp_path / "small_app.py"
    file.write_text('from sidelong import Sidelong\n\napp = Sidelong("redis://:secret@127.0.0.1:1/0")\n')
    return file


def test_the_version_and_the_help_are_told(sidelong):
    assert sidelong("--version").stdout.startswith("sidelong 0.")
    assert "TARGET" in sidelong("run", "--help").stdout
    assert "--seed" in sidelong("demo", "--help").stdout


@pytest.mark.parametrize(
    "words", [(), ("run",), ("dev",), ("enqueue",), ("config",), ("jobs",), ("retry",), ("pause",)]
)
def test_the_help_names_no_type_of_flags_and_arguments(sidelong, words):
    text = sidelong(*words, "--help", COLUMNS="80").stdout

    assert "bool" not in text
    assert "<str>" not in text
    assert "<list" not in text


def test_the_help_loads_neither_the_engine_nor_extras():
    code = "import sys, sidelong.cli.main; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30).stdout

    assert "sidelong.cli.dev.command_line" in loaded.split()
    assert not {"sidelong.worker", "starlette", "uvicorn", "watchfiles"} & set(loaded.split())


def test_the_formats_of_the_log_are_those_that_can_be_set():
    assert tuple(LogFormat) == LOG_FORMATS


def test_the_event_loops_are_those_that_can_be_set():
    assert tuple(Loop) == EVENT_LOOPS


def test_a_wrong_target_is_one_sentence_and_status_two(sidelong):
    done = sidelong("run", "no_such_module:app")

    assert done.returncode == 2
    assert done.stderr.startswith("sidelong: There is no module 'no_such_module' in ")
    assert done.stderr.count("\n") == 1


def test_an_error_in_the_users_code_is_a_traceback_and_one_sentence(sidelong, tmp_path):
    (tmp_path / "failing_app.py").write_text("1 / 0\n")

    done = sidelong("run", "failing_app.py")

    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert "failing_app.py" in done.stderr.splitlines()[1]
    assert done.stderr.splitlines()[-1].startswith("sidelong: 'failing_app.py' cannot be imported")


def test_no_redis_is_one_sentence_without_the_password(sidelong, app_file):
    done = sidelong("run", "small_app")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("sidelong: no connection to Redis at redis://127.0.0.1:1/0")
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_redis_url_on_the_command_line_beats_the_one_in_the_code(sidelong, app_file):
    done = sidelong("run", "small_app", "--redis", "redis://127.0.0.1:2/5")

    assert "redis://127.0.0.1:2/5" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-q", "a,high"], "'a,high': the weight of a queue must be a whole number"),
        (["-q", "a", "-q", "a,2"], "the queue 'a' is named twice"),
        (["-q", "a,0", "-q", "b,2"], "queue weights must be all 0"),
        (["--redis", "nonsense"], "the Redis URL must begin with redis://"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_status_two(sidelong, app_file, words, sentence):
    done = sidelong("run", "small_app", *words)

    assert done.returncode == 2
    assert done.stderr.startswith(f"sidelong: {sentence}")
    assert done.stderr.count("\n") == 1


def test_a_queue_of_a_capsule_is_refused_with_what_to_do(sidelong, tmp_path):
    (tmp_path / "pdf_app.py").write_text(
        "from sidelong import Capsule, Sidelong\n\n"
        'app = Sidelong(capsules=[Capsule(name="slow", concurrency=1, queues=["pdf"])])\n'
    )

    done = sidelong("run", "pdf_app.py", "-q", "default", "-q", "pdf")

    assert done.returncode == 2
    assert done.stderr == (
        "sidelong: the queue 'pdf' is served by two capsules, 'default' and 'slow': leave it out of one"
        " (the capsule 'default' serves what `queues` or -q names)\n"
    )


@pytest.mark.parametrize("words", [[], ["-c", "0"], ["-c", "many"], ["-t", "-1"]])
def test_wrong_usage_is_status_two(sidelong, app_file, words):
    target = ["small_app"] if words else []

    assert sidelong("run", *target, *words).returncode == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_user_code_is_imported_is_a_clean_exit(tmp_path, number):
    # In short sleeps: a signal that comes as Python goes to sleep is seen only when the sleep ends.
    (tmp_path / "slow_app.py").write_text(
        "import time\nprint('importing', flush=True)\nfor _ in range(600):\n    time.sleep(0.1)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "sidelong", "run", "slow_app.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "importing\n"

    process.send_signal(number)
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 0
    assert "Traceback" not in errors


def test_the_demo_says_how_to_install_what_it_needs(sidelong, tmp_path):
    (tmp_path / "fakeredis.py").write_text("raise ImportError('not installed')\n")

    done = sidelong("demo", PYTHONPATH=str(tmp_path))

    assert done.returncode == 1
    assert done.stderr.startswith("sidelong: ")
    assert "pip install 'sidelong[embedded]'" in done.stderr
    assert done.stderr.count("\n") == 1
