"""Rows in columns: cut to fit a terminal, whole wherever else they go."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from sidelong.cli.operator.output import Output
from sidelong.core.display import escaped

T = TypeVar("T")

_GAP: Final = "  "
_LEAST: Final = 8
"""A column is not cut below this."""


@dataclass(frozen=True)
class Column:
    """How one column looks.

    Attributes:
        title: stands at its top.
        is_number: whether it ends in line, rather than begins.
        is_flexible: whether it may be cut where the terminal is too narrow.
        keeps_end: whether the end of a text says more than its begin, as with `shop.jobs.send_mail`.
    """

    title: str
    is_number: bool = False
    is_flexible: bool = False
    keeps_end: bool = False


def picked(by_title: Mapping[str, T], titles: Iterable[str]) -> list[T]:
    """Return the columns, or the cells of a row, that have these titles, in this order."""
    return [by_title[title] for title in titles]


class Table:
    """Prints rows as they come, in as many pages as there are.

    Args:
        output: where to.
        columns: from left to right.
    """

    def __init__(self, output: Output, columns: Sequence[Column]) -> None:
        self._output = output
        self._columns = columns
        self._widths: list[int] = []

    def print(self, rows: Iterable[Sequence[str]]) -> None:
        """Print some rows, below the titles if they are the first; columns keep their places where that is possible.

        Args:
            rows: may hold any characters: what a terminal would not print is escaped.
        """
        clean = [[escaped(cell) for cell in row] for row in rows]
        if not self._widths:
            self._widths = self._fitting(clean)
            self._output.heading(self._line([column.title for column in self._columns]))
        for row in clean:
            self._output.line(self._line(row))

    def _fitting(self, rows: Sequence[Sequence[str]]) -> list[int]:
        if self._output.width is None:
            # One long cell pushes the rest of its own line aside, not of all.
            return [size if size <= 40 else 40 for size in _natural(self._columns, rows)]
        return fitted(self._columns, rows, self._output.width)

    def _line(self, cells: Sequence[str]) -> str:
        return joined(cells, self._columns, self._widths, is_cut=self._output.is_terminal)


def fitted(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Return how wide each column is where a line has so much room, as far as the flexible ones can be cut.

    Args:
        columns: from left to right.
        rows: their cells, printable.
        room: columns of the terminal.
    """
    widths = _natural(columns, rows)
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - room
    flexible = [place for place, column in enumerate(columns) if column.is_flexible]
    while excess > 0 and flexible:
        widest = max(flexible, key=lambda place: widths[place])
        if widths[widest] <= _LEAST:
            break
        widths[widest] -= 1
        excess -= 1
    return widths


def joined(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int], *, is_cut: bool) -> str:
    """Return a row as one line; with `is_cut` what is too long for a flexible column is cut."""
    parts = [_padded(*each, is_cut=is_cut) for each in zip(cells, columns, widths, strict=True)]
    return _GAP.join(parts).rstrip()


def _natural(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    titles = [column.title for column in columns]
    return [max(map(width, cells)) for cells in zip(titles, *rows, strict=True)]


def _padded(text: str, column: Column, size: int, *, is_cut: bool) -> str:
    if is_cut and column.is_flexible:
        text = cut(text, size, keeps_end=column.keeps_end)
    padding = " " * (size - width(text))
    return padding + text if column.is_number else text + padding


def width(text: str) -> int:
    """Return how many columns of a terminal a printable text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def cut(text: str, size: int, *, keeps_end: bool = False) -> str:
    """Return a text that takes at most so many columns of a terminal, with an ellipsis for what is left out."""
    if width(text) <= size:
        return text
    # No letter takes less than... a combining one does, and is cut with the rest.
    kept, room = [], size - 1
    for letter in reversed(text) if keeps_end else text:
        room -= width(letter)
        if room < 0:
            break
        kept.append(letter)
    return f"…{''.join(reversed(kept))}" if keeps_end else f"{''.join(kept)}…"
