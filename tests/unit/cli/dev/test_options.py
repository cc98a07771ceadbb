from dataclasses import replace
from pathlib import Path

from sidelong.cli.dev.options import DEFAULT_TIMEOUT, HostOrder
from sidelong.cli.run import RunOptions


def order(**run):
    options = {"concurrency": None, "queues": (), "timeout": None, "redis": None, "verbose": False, **run}
    return HostOrder(
        RunOptions("shop:app", **options), web_app="shop:api", is_factory=True, pages=3, web=4, snapshot="/tmp/snapshot"
    )


def test_an_order_is_read_as_it_was_given():
    given = order(concurrency=3, queues=["mail,2"], timeout=0.5, event_loop="uvloop")

    read = HostOrder.from_json(given.as_json())

    # Sequences come back as lists.
    assert read == replace(given, run=replace(given.run, labels=[]), advice=[])
    assert b"\n" not in given.as_json()


def test_files_and_environment_are_told_by_variables():
    read = HostOrder.from_json(order(config_file=Path("a.toml"), environment="staging").as_json())

    assert (read.run.config_file, read.run.environment) == (None, None)


def test_jobs_have_a_second_unless_another_time_is_given():
    assert order().timeout == DEFAULT_TIMEOUT == 1
    assert order(timeout=0).timeout == 0
