import logging
import sys
from contextvars import copy_context

import pytest

from sidelong.core.context import Context, enter
from sidelong.core.logs.message import LogMessage
from sidelong.logs import PlainFormatter, PrettyFormatter

AT = "2026-01-31T12:00:00.250Z"


def record_of(message="hello", *args, level=logging.INFO, **attributes):
    record = logging.LogRecord("shop", level, "shop.py", 1, message, args or None, None)
    record.__dict__.update({"created": 1769860800.25, "process": 42, **attributes})
    return record


def raised(error):
    try:
        raise error
    except Exception:
        return sys.exc_info()


def in_job(function):
    def job():
        enter(Context("j1", "default", {"class": "Charge", "jid": "j1"}, lambda: False))
        return function()

    return copy_context().run(job)


def test_plain_is_one_line_that_begins_with_where_it_comes_from():
    plain = PlainFormatter()

    assert plain.format(record_of("paid %d", 3)) == f"{AT} 42 INFO shop: paid 3"
    assert in_job(lambda: plain.format(record_of())) == f"{AT} 42 INFO shop class=Charge jid=j1: hello"


def test_plain_leaves_the_time_to_platforms_that_add_it():
    assert PlainFormatter(timestamps=False).format(record_of()) == "42 INFO shop: hello"


def test_milliseconds_and_seconds_are_those_of_the_record():
    plain = PlainFormatter()

    times = [plain.format(record_of(created=at)).split()[0] for at in (0.0, 0.9999, 1.0, 0.5)]

    assert times == [f"1970-01-01T00:00:{rest}Z" for rest in ("00.000", "00.999", "01.000", "00.500")]


def test_what_a_message_names_of_its_own_stands_behind_it_and_nothing_stands_twice():
    message = LogMessage("done", {"class": "Charge", "jid": "j1", "elapsed": 2})

    outside = PlainFormatter().format(record_of(message))
    inside = in_job(lambda: PlainFormatter().format(record_of(message)))

    assert outside == f"{AT} 42 INFO shop: done class=Charge jid=j1 elapsed=2"
    assert inside == f"{AT} 42 INFO shop class=Charge jid=j1: done elapsed=2"


def test_pretty_has_columns_and_no_colours_where_none_are_wanted():
    pretty = PrettyFormatter(colours=False)

    lines = [in_job(lambda: pretty.format(record_of("start"))), pretty.format(record_of("no", level=logging.WARNING))]

    assert [line.partition(" ")[2] for line in lines] == [
        f"INFO  {'start':<30}  shop class=Charge jid=j1",
        f"WARN  {'no':<30}  shop",
    ]
    assert not any("\x1b" in line for line in lines)


@pytest.mark.parametrize(
    ("level", "colour", "name"),
    [
        (logging.DEBUG, "36", "DEBUG"),
        (logging.INFO, "32", "INFO "),
        (logging.WARNING, "33", "WARN "),
        (logging.ERROR, "31", "ERROR"),
        (logging.CRITICAL, "1;37;41", "FATAL"),
    ],
)
def test_pretty_colours_the_level(level, colour, name):
    line = PrettyFormatter(colours=True, timestamps=False).format(record_of("no", level=level))

    assert line == f"\x1b[{colour}m{name}\x1b[0m {'no':<30}  \x1b[2mshop\x1b[0m"


@pytest.mark.parametrize("formatter", [PlainFormatter(), PrettyFormatter(colours=False)])
@pytest.mark.parametrize(
    ("evil", "harmless"),
    [
        ("\n", r"\n"),
        ("\r", r"\r"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x00", r"\x00"),
        ("\x7f", r"\x7f"),
        ("\x85", r"\x85"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202e", r"\u202e"),
        ("\u2028", r"\u2028"),
        ("\u200b", r"\u200b"),
        ("\ud800", r"\ud800"),
        ("é 日本", "é 日本"),
    ],
)
def test_nothing_but_text_gets_out(formatter, evil, harmless):
    record = record_of(f"<{evil}>", name=f"<{evil}>", exc_info=raised(ValueError(f"[{evil}]")))

    lines = formatter.format(record).split("\n")

    assert lines[0].count(f"<{harmless}>") == 2
    assert all(line.isprintable() for line in lines)
    assert all(line.startswith("    ") for line in lines[1:])
    assert "ValueError: [" in lines[-1] + lines[-2]


def test_tracebacks_stacks_and_dumps_are_indented_below():
    record = record_of(
        LogMessage("stacks:", {}, lines="task 1\n  here"),
        exc_info=raised(ValueError("boom")),
        stack_info="Stack:\n  f()",
    )

    first, *below = PlainFormatter().format(record).split("\n")

    assert first == f"{AT} 42 INFO shop: stacks:"
    assert below[:3] == ["    task 1", "      here", "    Traceback (most recent call last):"]
    assert below[-3:] == ["    ValueError: boom", "    Stack:", "      f()"]


def test_a_record_whose_arguments_do_not_fit_is_written_all_the_same():
    line = PlainFormatter().format(record_of("paid %d", "x"))

    assert line.startswith(f"{AT} 42 INFO shop: paid %d ('x',) (TypeError: ")


def test_other_formatters_get_the_whole_message():
    message = LogMessage("done", {"class": "A", "elapsed": 1}, lines="one\ntwo")

    assert logging.Formatter("%(message)s").format(record_of(message)) == "done class=A elapsed=1\none\ntwo"
