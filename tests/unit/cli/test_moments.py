from datetime import UTC, datetime

import pytest

from sidelong.cli.moments import read_duration, read_instant


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1.5", 1.5),
        ("90s", 90),
        ("10m", 600),
        ("2h", 7200),
        ("1d", 86_400),
        (" 1H30m ", 5400),
        ("0.5h", 1800),
    ],
)
def test_a_duration_is_read_in_seconds(text, seconds):
    assert read_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5", "5w", "10 m", "nan", "inf", "m"])
def test_what_is_no_duration_is_told_with_what_is(text):
    with pytest.raises(ValueError, match="is not a duration: write seconds, or 90s, 10m"):
        read_duration(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2030-01-31T08:00:00Z", datetime(2030, 1, 31, 8, tzinfo=UTC)),
        ("2030-01-31T08:00+02:00", datetime(2030, 1, 31, 6, tzinfo=UTC)),
        ("2030-01-31 08:00:00.5Z", datetime(2030, 1, 31, 8, 0, 0, 500_000, tzinfo=UTC)),
        ("1895990400.5", datetime.fromtimestamp(1895990400.5, UTC)),
        ("20300131", datetime.fromtimestamp(20300131, UTC)),
    ],
)
def test_an_instant_has_a_zone_or_is_epoch_seconds(text, moment):
    assert read_instant(text) == moment.timestamp()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2030-01-31T08:00:00", "has no time zone: end it with Z"),
        ("2030-01-31", "has no time zone"),
        ("tomorrow", "is not a time: write it as 2030"),
        ("nan", "is not a time"),
    ],
)
def test_what_is_no_instant_is_told_with_what_is(text, words):
    with pytest.raises(ValueError, match=words):
        read_instant(text)
