import logging

import pytest

from sidelong.core.outcome import DROPPED, Dead, Retry
from sidelong.worker.job_logger import JobLogger

ITEM = {"class": "Wrapper", "wrapped": "Real", "jid": "j1"}


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "sidelong.job")
    return lambda: [record.getMessage() for record in caplog.records]


def test_writes_one_line_for_each_event(lines):
    log = JobLogger()

    log.start(ITEM)
    log.done(ITEM, 0.0123)
    log.fail(ITEM, 1.5, ValueError("the secret of a customer"), Retry(b"", 16.4))
    log.fail(ITEM, 1.5, ValueError("again"), Dead(b""))
    log.fail(ITEM, 1.5, ValueError("again"), DROPPED)
    log.interrupted(ITEM, 2)

    assert lines() == [
        "start class=Real jid=j1",
        "done class=Real jid=j1 elapsed=0.012",
        "fail class=Real jid=j1 elapsed=1.500 error=ValueError retry_in=16",
        "fail class=Real jid=j1 elapsed=1.500 error=ValueError outcome=dead",
        "fail class=Real jid=j1 elapsed=1.500 error=ValueError outcome=dropped",
        "interrupted class=Real jid=j1 elapsed=2.000",
    ]


def test_is_off_while_nobody_listens(caplog):
    caplog.set_level(logging.WARNING, "sidelong.job")

    assert not JobLogger().is_on(ITEM)


@pytest.mark.parametrize(
    ("level", "is_on"),
    [
        (None, True),
        ("debug", True),
        ("info", True),
        ("warn", False),
        ("WARNING", False),
        ("error", False),
        ("fatal", False),
        ("loud", True),
        (30, True),
        ([], True),
    ],
)
def test_a_log_level_above_info_silences_a_job(caplog, level, is_on):
    caplog.set_level(logging.INFO, "sidelong.job")

    assert JobLogger().is_on({**ITEM, "log_level": level}) is is_on


def test_is_off_where_it_is_not_wanted(caplog):
    caplog.set_level(logging.INFO, "sidelong.job")

    assert not JobLogger(is_wanted=False).is_on(ITEM)


def test_a_handler_that_raises_fails_no_job():
    class Handler(logging.Handler):
        def handle(self, record):
            raise RuntimeError("broken")

    logger, handler = logging.getLogger("sidelong.job"), Handler()
    logger.addHandler(handler)
    try:
        JobLogger().done(ITEM, 1.0)
    finally:
        logger.removeHandler(handler)


def test_late_and_stuck_jobs_are_not_told_where_nobody_listens(caplog):
    caplog.set_level(logging.CRITICAL, "sidelong.worker")

    JobLogger().late(ITEM, 1.5)
    JobLogger().stuck(ITEM, 2.0)

    assert caplog.messages == []


def test_late_and_stuck_jobs_are_told_with_their_name(caplog):
    JobLogger().late(ITEM, 1.5)
    JobLogger().stuck(ITEM, 2.0)

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "late: it returned beyond its timeout; nothing could interrupt it class=Real jid=j1 elapsed=1.500"),
        (
            "ERROR",
            "stuck: its timeout has passed, and it does not end; it keeps its slot class=Real jid=j1 timeout=2.0",
        ),
    ]
