import asyncio
import contextlib
import io
import sqlite3
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

from sidelong.core.unperformed import unperformed


async def charge() -> None:
    pass


def each() -> Iterator[int]:
    yield 1


async def each_async() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (charge, "not awaited"),
        (each, "does nothing until"),
        (each_async, "does nothing until"),
        (lambda: map(str, [1]), "does nothing until"),
        (lambda: charge, "not called"),
        (lambda: [].append, "not called"),
        (lambda: partial(charge), "not called"),
        (lambda: [1, {"a": (charge(),)}], "not awaited"),
    ],
)
def test_finds_work_that_was_not_done(make, said):
    assert said in unperformed(make(), 5)


async def test_finds_a_task():
    task = asyncio.ensure_future(charge())

    assert "not awaited" in unperformed({"a": task}, 5)
    await task


def test_no_coroutine_is_left_to_be_warned_of(recwarn):
    assert unperformed([charge(), charge()], 5)

    assert not recwarn


@pytest.mark.parametrize("value", [None, 1, [{}], object(), io.BytesIO(), b"", {1}])
def test_what_has_done_its_work_is_let_be(value):
    assert unperformed(value, 5) == ""


def test_a_cursor_has_done_its_work():
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        assert unperformed(database.execute("SELECT 1"), 5) == ""


def test_looks_no_deeper_than_it_is_told():
    value: list[Any] = []
    value.append(value)

    assert unperformed(value, 50) == ""
