import pytest

from sidelong.core.display import shown


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plain é 日本", "plain é 日本"),
        (b"bytes", "bytes"),
        (b"\xff", "\ufffd"),
        (None, "None"),
        ({"a": 1}, "{'a': 1}"),
        ("a\nb\x1b[31m", "a\\nb\\x1b[31m"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 200 + "..."),
        ("\U0001f600" * 50, "\U0001f600" * 50),
        ("\U0001f600" * 51, "\U0001f600" * 50 + "..."),
        ("x" + "\U0001f600" * 50, "x" + "\U0001f600" * 49 + "..."),
    ],
)
def test_is_one_short_line(value, line):
    assert shown(value) == line


def test_is_short_however_long_the_escapes_are():
    assert len(shown("\U000e0001" * 200)) <= 203
    assert shown("\U000e0001" * 200).isprintable()
