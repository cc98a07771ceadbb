from datetime import timedelta

import pytest

from sidelong.core.outcome import Dead, Discard, Kill, Retry, RetryIn


@pytest.mark.parametrize(("delay", "seconds"), [(60, 60.0), (0.5, 0.5), (timedelta(minutes=2), 120.0), (0, 0.0)])
def test_a_job_chooses_its_delay_in_seconds_or_as_a_timedelta(delay, seconds):
    assert RetryIn(delay).delay == seconds


def test_a_job_may_say_why_it_wants_to_run_later():
    assert str(RetryIn(60, "the mail server is busy")) == "the mail server is busy"
    assert str(RetryIn(60)) == "retry requested by the job"


@pytest.mark.parametrize("delay", ["soon", None, [1]])
def test_a_delay_that_is_none_is_refused_where_it_is_raised(delay):
    with pytest.raises((TypeError, ValueError)):
        RetryIn(delay)


@pytest.mark.parametrize(
    "delay", [-1, -0.001, timedelta(seconds=-1), float("nan"), float("inf"), float("-inf"), 10**400, -(10**400)]
)
def test_a_delay_that_no_clock_can_wait_for_is_refused_where_it_is_raised(delay):
    with pytest.raises(ValueError, match="a retry delay must be a finite number of seconds from 0 up"):
        RetryIn(delay)


def test_what_a_job_raises_can_carry_a_reason():
    assert str(Discard("gone")) == "gone"
    assert str(Kill("broken")) == "broken"


def test_outcomes_are_values():
    assert Retry(b"{}", 15.0) == Retry(b"{}", 15.0)
    assert Dead(b"{}") != Dead(b"[]")
