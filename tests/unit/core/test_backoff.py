from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidelong.core.backoff import jitter, retry_delay

quick = settings(deadline=None, max_examples=200)


@pytest.mark.parametrize(
    ("count", "shortest", "longest"), [(0, 15, 24), (1, 16, 35), (2, 31, 60), (10, 10_015, 10_124)]
)
def test_waits_the_fourth_power_plus_jitter(count, shortest, longest):
    random = Random(1)

    delays = {retry_delay(count, random) for _ in range(5_000)}

    assert min(delays) == shortest
    assert max(delays) == longest


def test_spreads_the_whole_range_of_the_jitter():
    random = Random(1)

    drawn = {jitter(3, random) for _ in range(5_000)}

    assert drawn == set(range(40))


def test_spends_about_twenty_days_on_25_retries():
    random = Random(1)

    total = timedelta(seconds=sum(retry_delay(count, random) for count in range(25)))

    assert timedelta(days=20) < total < timedelta(days=21)


@quick
@given(st.integers(), st.integers())
def test_answers_any_count_with_a_wait_that_ends_at_a_date(count, seed):
    delay = retry_delay(count, Random(seed))

    assert isinstance(delay, float)
    assert delay >= 15
    assert datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=delay)


def test_waits_no_longer_for_a_damaged_count_of_any_size():
    assert retry_delay(10**400, Random(1)) == retry_delay(10**4, Random(1))
    assert retry_delay(-3, Random(1)) == retry_delay(0, Random(1))
    assert jitter(-3, Random(1)) == jitter(0, Random(1))


def test_repeats_itself_with_the_same_source():
    assert retry_delay(5, Random(7)) == retry_delay(5, Random(7))
