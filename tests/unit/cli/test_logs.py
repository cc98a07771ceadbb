import io
import logging
from pathlib import Path

import pytest

from sidelong.cli.logs import LogFileHandler, LogHandler, configure_logging, use_log_format
from sidelong.core.logs.levels import JobLevelFilter
from sidelong.errors import ConfigurationError

VARIABLES = ("NO_COLOR", "FORCE_COLOR", "TERM", "DYNO", "DEBUG_INVOCATION")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def log(monkeypatch):
    """Configures logging anew, and returns what a record looks like."""
    root, own = logging.getLogger(), logging.getLogger("sidelong")
    before = root.level, root.handlers[:], own.level
    # Configuring closes the handlers that are there: those of pytest are needed afterwards.
    root.handlers.clear()
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def log(stream, log_format="auto", *, verbose=False, then=None, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.stderr", stream)
        configure_logging(verbose, log_format)
        if then is not None:
            use_log_format(then)
        logging.getLogger("shop").info("hello")
        logging.getLogger("sidelong.worker").debug("in detail")
        return stream.getvalue()

    yield log
    root.handlers[:] = before[1]
    root.setLevel(before[0])
    own.setLevel(before[2])


@pytest.mark.parametrize(
    ("stream", "log_format", "variables", "start"),
    [
        (io.StringIO, "auto", {}, "20"),
        (Terminal, "auto", {}, "\x1b[2m"),
        (Terminal, "plain", {}, "20"),
        (Terminal, "json", {}, '{"ts"'),
        (io.StringIO, "json", {"DYNO": "web.1"}, '{"ts"'),
        (io.StringIO, "pretty", {"DYNO": "web.1"}, "INFO  hello"),
        (io.StringIO, "pretty", {"DYNO": "web.1", "FORCE_COLOR": "1"}, "\x1b[32mINFO"),
        (Terminal, "auto", {"DYNO": "web.1"}, "\x1b[32mINFO"),
        (Terminal, "auto", {"DYNO": "web.1", "NO_COLOR": "1"}, "INFO  hello"),
        (Terminal, "auto", {"DYNO": "web.1", "NO_COLOR": "1", "FORCE_COLOR": "1"}, "INFO  hello"),
        (Terminal, "auto", {"DYNO": "web.1", "TERM": "dumb"}, "INFO  hello"),
    ],
)
def test_the_format_is_as_asked_for_or_as_it_is_read(log, stream, log_format, variables, start):
    assert log(stream(), log_format, **variables).startswith(start)


def test_on_a_dyno_plain_lines_have_no_time(log):
    assert log(io.StringIO(), DYNO="web.1").split(" ", 1)[1] == "INFO shop: hello\n"


def test_the_format_may_change_once_the_settings_are_known(log):
    assert log(io.StringIO(), then="json").startswith('{"ts"')


def test_handlers_of_the_application_keep_their_format(log):
    theirs, stream = logging.StreamHandler(io.StringIO()), io.StringIO()
    log(stream)
    logging.getLogger().handlers[:] = [theirs]

    use_log_format("json")
    logging.getLogger("shop").info("again")

    assert theirs.stream.getvalue() == "again\n"


@pytest.mark.parametrize(("verbose", "variables"), [(True, {}), (False, {"DEBUG_INVOCATION": "1"})])
def test_details_are_told_when_asked_for(log, verbose, variables):
    assert "in detail" in log(io.StringIO(), verbose=verbose, **variables)


def test_details_are_left_out_otherwise(log):
    assert "in detail" not in log(io.StringIO(), DEBUG_INVOCATION="0")


def test_the_level_of_a_job_can_be_heeded(log):
    log(io.StringIO())

    (handler,) = logging.getLogger().handlers

    assert any(isinstance(each, JobLevelFilter) for each in handler.filters)


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_stream_that_takes_nothing_fails_nobody(monkeypatch, is_closed):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stderr", stream)
    handler = LogHandler(stream)
    if is_closed:
        stream.close()

    handler.handle(logging.LogRecord("shop", logging.INFO, "shop.py", 1, "日本", None, None))


def test_without_a_standard_error_there_is_one_that_goes_nowhere(log, monkeypatch):
    import sys

    monkeypatch.setattr("sys.stderr", None)
    configure_logging(False)
    logging.getLogger("shop").info("hello")

    assert sys.stderr.name == "/dev/null"
    sys.stderr.close()


@pytest.fixture
def log_file(tmp_path):
    """A log with a line of an earlier worker, and a call that adds lines."""
    path = tmp_path / "logs" / "worker.log"
    path.parent.mkdir()
    path.write_text("before\n")
    handler = LogFileHandler(path)

    def write(text):
        handler.handle(logging.LogRecord("shop", logging.INFO, "shop.py", 1, text, None, None))

    yield path, write
    handler.close()


def test_a_log_file_is_appended_to(log_file):
    path, write = log_file

    write("one")
    write("zwei \ud800 ü")

    assert path.read_text(encoding="utf-8") == "before\none\nzwei \\ud800 ü\n"


def test_a_log_file_that_was_moved_away_is_begun_anew(log_file):
    path, write = log_file
    write("one")
    old = path.rename(path.with_name("worker.log.1"))

    write("two")
    path.unlink()
    write("three")

    assert old.read_text() == "before\none\n"
    assert path.read_text() == "three\n"


def test_a_log_file_that_was_copied_and_emptied_goes_on(log_file):
    path, write = log_file
    write("one")
    path.write_text("")

    write("two")

    assert path.read_text() == "two\n"


def test_while_no_log_file_can_be_begun_the_old_one_goes_on(log_file):
    path, write = log_file
    away = path.parent.rename(path.parent.with_name("away"))

    write("one")
    path.parent.mkdir()
    write("two")

    assert (away / "worker.log").read_text() == "before\none\n"
    assert path.read_text() == "two\n"


def test_a_worker_can_log_to_a_file_and_not_to_stderr(log, monkeypatch, tmp_path):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.chdir(tmp_path)
    configure_logging(False, "auto", Path("worker.log"))
    monkeypatch.chdir("/")

    logging.getLogger("shop").info("hello")
    use_log_format("json")
    logging.getLogger("shop").info("hello")

    plain, json_line = (tmp_path / "worker.log").read_text().splitlines()
    assert plain.startswith("20")
    assert json_line.startswith('{"ts"')
    assert stream.getvalue() == ""
    logging.getLogger().handlers[0].close()


def test_a_log_file_that_cannot_be_opened_is_one_sentence(tmp_path):
    with pytest.raises(ConfigurationError, match=r"^the log file .*/gone/worker.log cannot be opened: No such file"):
        configure_logging(False, "auto", tmp_path / "gone" / "worker.log")
