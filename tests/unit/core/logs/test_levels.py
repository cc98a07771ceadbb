import logging
from contextvars import copy_context

import pytest

from sidelong.core.context import Context, enter
from sidelong.core.logs.levels import JobLevelFilter, RootLevel, level_of


class Tree:
    """Loggers of a test's own, with one handler that has the filter; its root logs from INFO up."""

    def __init__(self):
        self.root = logging.RootLogger(logging.INFO)
        self.root.manager = logging.Manager(self.root)
        self.level = RootLevel(self.root)
        self.written = []
        self.add_handler(self.root).addFilter(JobLevelFilter(self.level))

    def logger(self, name):
        return self.root.manager.getLogger(name)

    def add_handler(self, logger):
        handler = logging.Handler()
        handler.emit = lambda record: self.written.append(record.getMessage())
        logger.addHandler(handler)
        return handler


@pytest.fixture
def tree():
    return Tree()


def in_job(log_level, function):
    def job():
        enter(Context("j1", "default", {"log_level": log_level}, lambda: False))
        function()

    copy_context().run(job)


@pytest.mark.parametrize(
    ("value", "level"),
    [("debug", 10), ("WARN", 30), ("warning", 30), ("fatal", 50), ("loud", None), (10, None), (None, None), ([], None)],
)
def test_reads_the_level_of_a_payload(value, level):
    assert level_of({"log_level": value}) == level


def test_a_job_that_asks_for_it_is_heard_and_the_others_are_not(tree):
    logger = tree.logger("shop")

    def log():
        logger.debug("debug")
        logger.info("info")

    tree.level.lower(logging.DEBUG)
    for level in ("debug", None, "warn"):
        tree.written.append(level)
        in_job(level, log)
    tree.written.append("outside")
    log()

    assert tree.written == ["debug", "debug", "info", None, "info", "warn", "outside", "info"]


def test_the_level_is_as_before_when_the_last_of_them_has_ended(tree):
    levels = []

    for change in (tree.level.lower, tree.level.lower, tree.level.restore, tree.level.restore):
        change(logging.DEBUG)
        levels.append(tree.root.level)

    assert levels == [logging.DEBUG, logging.DEBUG, logging.DEBUG, logging.INFO]


def test_a_level_that_somebody_sets_meanwhile_holds(tree):
    tree.level.lower(logging.DEBUG)
    tree.root.setLevel(logging.ERROR)

    tree.level.restore(logging.DEBUG)

    assert tree.root.level == logging.ERROR


def test_loggers_with_a_level_of_their_own_keep_it(tree):
    tree.logger("noisy").setLevel(logging.DEBUG)
    tree.logger("silent").setLevel(logging.WARNING)

    tree.level.lower(logging.DEBUG)
    tree.logger("noisy.part").debug("as always")
    in_job("debug", lambda: tree.logger("silent.part").info("never"))

    assert tree.written == ["as always"]


@pytest.mark.parametrize("name", ["root", "shop"])
def test_the_root_is_not_lowered_where_a_handler_would_let_everything_through(tree, name):
    tree.add_handler(tree.root if name == "root" else tree.logger(name))

    tree.level.lower(logging.DEBUG)
    tree.logger("shop").debug("of another job")

    assert tree.written == []


def test_a_handler_below_a_level_of_its_own_is_no_obstacle(tree):
    tree.add_handler(tree.logger("shop"))
    tree.logger("shop").setLevel(logging.INFO)

    tree.level.lower(logging.DEBUG)

    assert tree.root.level == logging.DEBUG
