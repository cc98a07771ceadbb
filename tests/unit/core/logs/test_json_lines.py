import json
import logging
import sys
from contextvars import copy_context
from datetime import date

import pytest

from sidelong.core.context import Context, enter
from sidelong.core.logs.message import LogMessage
from sidelong.logs import JsonFormatter, log_context


def written(message="hello", exc_info=None, **extra):
    record = logging.LogRecord("shop", logging.INFO, "shop.py", 1, message, None, exc_info)
    record.__dict__.update({"created": 1769860800.25, "process": 42, "thread": 35, **extra})
    line = JsonFormatter().format(record)
    assert line.isascii()
    assert line.isprintable()
    return json.loads(line)


def in_job(function, *args, **named):
    def job():
        enter(Context("j1", "default", {"class": "Charge", "tags": ["vip"]}, lambda: False))
        return function(*args, **named)

    return copy_context().run(job)


def test_outside_a_job_it_is_what_every_record_has():
    assert written() == {
        "ts": "2026-01-31T12:00:00.250Z",
        "pid": 42,
        "tid": "z",
        "lvl": "INFO",
        "logger": "shop",
        "msg": "hello",
    }


def test_inside_a_job_its_context_is_an_object():
    assert in_job(written)["ctx"] == {"class": "Charge", "jid": "j1", "tags": ["vip"]}


def test_extras_and_fields_of_the_message_are_part_of_the_context_and_forge_nothing():
    entry = in_job(written, LogMessage("done", {"jid": "j1", "elapsed": 0.25}), order=7, **{"class": "Forged"})

    assert entry["msg"] == "done"
    assert entry["ctx"] == {"class": "Charge", "jid": "j1", "tags": ["vip"], "elapsed": 0.25, "order": 7}


def test_outside_a_job_a_jid_may_be_told_with_extra():
    assert written(jid="j7")["ctx"] == {"jid": "j7"}
    assert "ctx" not in written(jid="", job_class="")


def test_a_traceback_is_one_string():
    try:
        raise ValueError("a\nb")
    except ValueError:
        entry = written(exc_info=sys.exc_info())

    assert entry["trace"].startswith("Traceback (most recent call last):\n")
    assert entry["trace"].endswith("ValueError: a\nb")


def test_a_dump_is_beside_its_message():
    entry = written(LogMessage("stacks:", {}, lines="task\n  here"))

    assert (entry["msg"], entry["trace"]) == ("stacks:", "task\n  here")


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (1.5, 1.5),
        ([1, {"a": None}], [1, {"a": None}]),
        (10**30, 10**30),
        (date(2026, 1, 31), "2026-01-31"),
        (float("nan"), "nan"),
        ({1j: 2}, "{1j: 2}"),
        ("\n\x1b\u202e\ud800é", "\n\x1b\u202e\ud800é"),
    ],
)
def test_any_value_may_stand_in_the_context(value, stored):
    with log_context(key=value):
        assert written()["ctx"] == {"key": stored}


def test_a_value_that_contains_itself_is_cut():
    endless = []
    endless.append(endless)

    with log_context(key=endless, other=1):
        assert written()["ctx"] == {"key": "[[...]]", "other": "1"}
