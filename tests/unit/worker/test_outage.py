import logging

import pytest

from sidelong.errors import Refused, Unavailable
from sidelong.worker.outage import Outage


class Time:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "sidelong.worker")
    return lambda: [record.getMessage() for record in caplog.records]


def test_says_once_that_redis_went_and_once_that_it_is_back(time, lines):
    back = []
    outage = Outage("host:6379", time, lambda: back.append(True))

    for _ in range(20):
        outage.begins(Unavailable("connection refused"))
    is_on = outage.is_on
    time.now += 12.5
    outage.ends(time.now)
    outage.ends(time.now)

    assert is_on
    assert not outage.is_on
    assert back == [True]
    assert lines() == [
        "Redis is out of reach; running jobs go on, and are settled once it answers: connection refused",
        "Redis at host:6379 answers again after 12.5 s",
    ]


def test_says_again_each_minute_that_redis_is_away(time, lines):
    outage = Outage("host:6379", time)

    for _ in range(125):
        outage.begins(Unavailable("no"))
        time.now += 1

    assert len(lines()) == 3


def test_a_network_that_flutters_does_not_fill_the_log(time, lines):
    outage = Outage("host:6379", time)

    for _ in range(1000):
        outage.begins(Unavailable("no"))
        time.now += 0.005
        outage.ends(time.now)
        time.now += 0.005

    assert len(lines()) < 10


def test_a_refusal_ends_only_with_a_write(time, lines):
    outage = Outage("host:6379", time)
    outage.begins(Refused("MISCONF no"))

    outage.is_reached(time.now)
    after_read = outage.is_on
    outage.ends(time.now)

    assert after_read
    assert not outage.is_on
    assert lines()[0].startswith("Redis refuses; ")


def test_an_outage_of_the_connection_ends_with_a_read(time):
    outage = Outage("host:6379", time)
    outage.begins(Unavailable("no"))

    outage.is_reached(time.now)

    assert not outage.is_on


def test_no_answer_to_what_was_sent_before_ends_an_outage(time, lines):
    outage = Outage("host:6379", time)
    sent_at = time.now
    time.now += 1
    outage.begins(Refused("NOREPLICAS no"))
    time.now += 2

    outage.ends(sent_at)
    outage.is_reached(sent_at)
    after_old_answers = outage.is_on
    outage.ends(time.now)

    assert after_old_answers
    assert not outage.is_on
    assert lines()[1:] == ["Redis at host:6379 answers again after 2.0 s"]
