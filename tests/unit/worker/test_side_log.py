import logging
import threading

import pytest

from sidelong.worker.side_log import SideLog


@pytest.fixture
def gate():
    """Where a handler waits that cannot write."""
    gate = threading.Event()
    gate.set()
    yield gate
    gate.set()


@pytest.fixture
def written(gate):
    class Handler(logging.Handler):
        def emit(self, record):
            gate.wait(10)
            texts.append(record.getMessage())

    texts = []
    logger = logging.getLogger("side")
    handler = Handler()
    logger.addHandler(handler)
    logger.propagate = False
    yield texts
    logger.removeHandler(handler)


def test_a_record_is_written_before_the_caller_goes_on(written):
    SideLog(logging.getLogger("side")).log(logging.ERROR, "trouble", ValueError("boom"))

    assert written == ["trouble"]


def test_behind_a_handler_that_cannot_write_the_caller_goes_on_and_nothing_piles_up(written, gate):
    gate.clear()
    log = SideLog(logging.getLogger("side"))

    for number in range(100):
        log.log(logging.ERROR, f"trouble {number}")
    threads = [thread for thread in threading.enumerate() if thread.name == "sidelong-log"]
    gate.set()
    for thread in threads:
        thread.join(10)

    assert len(threads) == 1
    assert written == ["trouble 0"]


def test_a_handler_that_raises_is_heard_by_nobody(monkeypatch):
    class Handler(logging.Handler):
        def emit(self, record):
            raise RuntimeError("broken")

    logger, handler = logging.getLogger("side.broken"), Handler()
    logger.addHandler(handler)
    heard = []
    monkeypatch.setattr(threading, "excepthook", heard.append)

    SideLog(logger).log(logging.ERROR, "trouble")
    logger.removeHandler(handler)

    assert heard == []
