import math

import pytest

from sidelong.cli.operator.times import moment, since, utc
from sidelong.core.spans import span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.01, "0 s"),
        (0.25, "0.2 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (86_400 * 400, "400 d"),
        (math.inf, "for ever"),
    ],
)
def test_a_span_is_told_in_its_largest_unit(seconds, text):
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (None, "-"),
        (math.nan, "-"),
        (math.inf, "never"),
        (1e300, "never"),
        (-math.inf, "long ago"),
        (940.0, "1 min ago"),
        (1000.4, "0 s ago"),
        (1300.0, "in 5 min"),
    ],
)
def test_a_time_is_told_by_how_far_it_is(at, text):
    assert since(at, 1000.0) == text


@pytest.mark.parametrize("at", [None, math.nan, math.inf, -math.inf, -1.0, 1e300])
def test_what_is_no_date_is_none(at):
    assert utc(at) is None


def test_a_date_is_exact_and_in_utc():
    assert utc(1.5) == "1970-01-01T00:00:01.500000Z"
    assert moment(940.0, 1000.0) == "1 min ago (1970-01-01 00:15:40 UTC)"
    assert moment(math.inf, 1000.0) == "never"
