import pytest

from sidelong.core import payload
from sidelong.errors import InvalidPayloadError


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b'"x"', b"5", b"{", b"{} {}", b"\xff", b"NaN"])
def test_only_an_object_is_a_job(raw):
    with pytest.raises(InvalidPayloadError):
        payload.parse(raw)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1795217165.25, 1795217165.25),
        (1795217165250, 1795217165.25),
        (0, 0.0),
        (10**400, None),
        (True, None),
        ("1795217165", None),
        (None, None),
    ],
)
def test_reads_the_times_of_every_version(value, seconds):
    assert payload.instant(value) == seconds


@pytest.mark.parametrize(
    ("value", "allowed"),
    [(True, 25), (False, None), (0, 0), (3, 3), (-1, 0), (None, 25), ("x", 25), (1e308, 25), ([], 25)],
)
def test_reads_how_many_retries_are_allowed(value, allowed):
    assert payload.retries_allowed(value, 25) == allowed


@pytest.mark.parametrize(
    ("value", "count"), [(0, 0), (7, 7), (-1, -1), (None, None), ("1", None), (True, None), (1.0, None), (10**9, None)]
)
def test_reads_how_often_a_job_has_failed(value, count):
    assert payload.retry_count({"retry_count": value}) == count


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        ({"class": "A", "wrapped": "B"}, "B"),
        ({"class": "A"}, "A"),
        ({"class": "A", "wrapped": {}}, "A"),
        ({"class": 5}, "(no class)"),
        ({}, "(no class)"),
    ],
)
def test_shows_the_class_that_does_the_work(item, shown):
    assert payload.job_class(item) == shown


def test_keeps_the_latest_crashes_within_the_window():
    item = {payload.CRASHES: [1.0, 50, 99.5, "x", None, True, 10**400, 1e300]}

    assert payload.crashes_within(item, 60, 100.0) == [50, 99.5]


def test_records_at_most_ten_crashes():
    item = {}

    payload.add_crash(item, [float(number) for number in range(20)], 20.0)

    assert item[payload.CRASHES] == [float(number) for number in range(11, 21)]


def test_the_error_class_is_qualified_unless_it_is_built_in():
    class OwnError(Exception):
        pass

    assert payload.error_class(ValueError()) == "ValueError"
    assert payload.error_class(OwnError()) == f"{__name__}.{OwnError.__qualname__}"
