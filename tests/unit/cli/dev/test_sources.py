import asyncio
import logging
import sys

import pytest

from sidelong.cli.dev.sources import DevFilter, Source, context_of_source, source_of, with_source
from sidelong.core.logs.json_lines import JsonFormatter
from sidelong.core.logs.text import PlainFormatter, PrettyFormatter


def record(name, text="hello", *arguments, **options):
    return logging.LogRecord(name, logging.INFO, "shop.py", 1, text, arguments, options.get("exc_info"))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("sidelong.cli", Source.DEV),
        ("sidelong.worker", Source.WORKER),
        ("sidelong.job", Source.WORKER),
        ("sidelong.web", Source.WEB),
        ("sidelongings", Source.APP),
        ("shop", Source.APP),
    ],
)
def test_beside_the_parts_the_logger_tells(name, source):
    assert source_of(record(name)) is source


@pytest.mark.parametrize("name", ["shop", "sidelong.store", "uvicorn.access"])
def test_within_a_part_all_is_its_own(name):
    assert context_of_source(Source.WORKER).run(source_of, record(name)) is Source.WORKER
    assert context_of_source(Source.APP).run(source_of, record(name)) is Source.APP


def test_what_answers_the_person_is_of_dev_wherever_it_is_logged():
    assert context_of_source(Source.WORKER).run(source_of, record("sidelong.cli")) is Source.DEV


def test_the_source_stands_before_every_line():
    try:
        raise ValueError("no")
    except ValueError:
        failed = record("shop", exc_info=sys.exc_info())

    first, *others = with_source(PlainFormatter(timestamps=False)).format(failed).split("\n")

    assert first.startswith("app    ")
    assert first.endswith("INFO shop: hello")
    assert others[0] == "app        Traceback (most recent call last):"
    assert others[-1] == "app        ValueError: no"


@pytest.mark.parametrize(("colours", "start"), [(True, "\x1b[35mworker\x1b[0m "), (False, "worker INFO")])
def test_it_has_a_colour_where_the_rest_has_one(colours, start):
    formatter = with_source(PrettyFormatter(colours=colours, timestamps=False))

    assert formatter.format(record("sidelong.job")).startswith(start)


def test_json_stays_json():
    formatter = JsonFormatter()

    assert with_source(formatter) is formatter


def test_requests_for_pages_are_not_told_and_those_for_the_web_app_are():
    access = record("uvicorn.access", '%s - "%s"', "127.0.0.1:5", "GET /")

    assert not context_of_source(Source.WEB).run(DevFilter().filter, access)
    assert context_of_source(Source.APP).run(DevFilter().filter, access)
    assert access.getMessage() == '127.0.0.1:5 - "GET /"'


def test_where_a_request_was_broken_off_is_not_told():
    def failed(error):
        return record("uvicorn.error", "Exception in ASGI application\n", exc_info=(type(error), error, None))

    assert not DevFilter().filter(failed(asyncio.CancelledError()))
    assert DevFilter().filter(failed(ValueError()))


def test_a_traceback_that_the_server_logs_as_text_is_told_in_lines():
    failed = record("uvicorn.error", "Traceback (most recent call last):\n  File ...\nValueError: no\n")

    assert context_of_source(Source.APP).run(DevFilter().filter, failed)

    assert PlainFormatter(timestamps=False).format(failed).splitlines()[0].endswith("uvicorn.error: ValueError: no")
    assert PlainFormatter(timestamps=False).format(failed).splitlines()[-1] == "    ValueError: no"
