import pytest

from sidelong.core.durations import BOUNDS_MS, BUCKETS, sort_into


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.0, 0), (0.0199, 0), (0.020, 1), (0.0299, 1), (334.9, 24), (335.0, 25), (1e9, 25)],
)
def test_a_bucket_holds_what_is_less_than_its_bound(seconds, bucket):
    histogram = [0] * BUCKETS

    sort_into(histogram, [seconds])

    assert histogram.index(1) == bucket


def test_each_bucket_gets_its_own_and_keeps_what_it_had():
    histogram = [1] * BUCKETS

    sort_into(histogram, [bound / 1000 for bound in BOUNDS_MS])

    assert histogram == [1, *[2] * (BUCKETS - 1)]
