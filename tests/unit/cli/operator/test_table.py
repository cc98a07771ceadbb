import io

import pytest

from sidelong.cli.operator.output import Output
from sidelong.cli.operator.table import Column, Table, cut, width

COLUMNS = [
    Column("SIZE", is_number=True),
    Column("CLASS", is_flexible=True, keeps_end=True),
    Column("TEXT", is_flexible=True),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def printed(monkeypatch):
    """Returns the lines of a table."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")

    def printed(stream, *pages):
        table = Table(Output(stream), COLUMNS)
        for page in pages:
            table.print(page)
        return stream.getvalue().splitlines()

    return printed


def test_a_terminal_gets_columns_that_fit(printed):
    lines = printed(Terminal(), [["1,000", "shop.jobs.very.deep.send_welcome", "a text that is longer than a line"]])

    assert lines[0].split() == ["SIZE", "CLASS", "TEXT"]
    assert all(len(line) <= 40 for line in lines)
    assert lines[1].startswith("1,000  …")
    assert "send_welcome  a text" in lines[1]
    assert lines[1].endswith("…")


def test_elsewhere_nothing_is_cut(printed):
    long = "x" * 500

    lines = printed(io.StringIO(), [["1", "shop.jobs.send_welcome", long]])

    assert lines[1] == f"   1  shop.jobs.send_welcome  {long}"


def test_all_pages_share_their_columns_and_one_heading(printed):
    lines = printed(io.StringIO(), [["1", "aaaaaa", "x"]], [["2", "b", "y"]])

    assert lines == ["SIZE  CLASS   TEXT", "   1  aaaaaa  x", "   2  b       y"]


def test_what_a_terminal_would_not_print_is_escaped(printed):
    lines = printed(Terminal(), [["1", "\x1b[31mred\r\n", "a\udcffb"]])

    assert lines[1].split() == ["1", "\\x1b[31mred\\r\\n", "a\\udcffb"]


def test_wide_letters_take_two_columns():
    assert width("日本") == 4
    assert width("e\u0301") == 1
    assert cut("日本語", 5) == "日本…"
    assert cut("abcdef", 4, keeps_end=True) == "…def"
    assert cut("abc", 3) == "abc"
