import asyncio
import logging

import pytest

from sidelong import Sidelong
from sidelong.cli.dev.announcement import announce
from sidelong.cli.dev.options import HostOrder
from sidelong.cli.dev.redis_choice import Choice
from sidelong.cli.event_loop import EventLoop
from sidelong.cli.run import RunOptions

RUN = RunOptions("shop:app", concurrency=None, queues=(), timeout=None, redis=None, verbose=False)


@pytest.mark.parametrize(
    ("address", "level", "line"),
    [
        ("redis://127.0.0.1:6379/0", logging.INFO, "Redis    redis://127.0.0.1:6379/0"),
        (
            "redis://10.0.0.7:6379/0",
            logging.WARNING,
            "Redis    redis://10.0.0.7:6379/0, not on this machine: jobs that others enqueue there are run here",
        ),
    ],
)
def test_a_redis_that_others_may_use_is_warned_of(caplog, address, level, line):
    app = Sidelong("memory://")
    order = HostOrder(RUN, web_app=None, is_factory=False, pages=3, web=None, snapshot="")

    with caplog.at_level(logging.INFO, logger="sidelong"):
        announce(order, app, app.worker(), Choice(address), [], EventLoop("asyncio", asyncio.new_event_loop))

    assert ("sidelong.cli", level, line) in caplog.record_tuples
