import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import sidelong.api

PUBLIC = {
    "BulkOutcome",
    "DeadSet",
    "Deploy",
    "Deploys",
    "Elements",
    "Entry",
    "Figures",
    "Filter",
    "Grouping",
    "Groups",
    "History",
    "JobEvent",
    "JobFigures",
    "JobGroup",
    "JobRecord",
    "JobSet",
    "KeyPage",
    "Keyspace",
    "Memory",
    "Metrics",
    "MetricsReport",
    "Part",
    "Process",
    "ProcessSet",
    "Queue",
    "QueueSummary",
    "QueuedJob",
    "Reason",
    "Reasons",
    "RetrySet",
    "ScheduledSet",
    "Series",
    "ServerFacts",
    "Stats",
    "StoredKey",
    "Work",
    "WorkSet",
    "history_of",
    "redis_facts",
    "redis_memory",
    "redis_troubles",
}


def test_exports_exactly_the_public_names():
    assert sidelong.api.__all__ == sorted(PUBLIC)


def calls() -> Iterator[Any]:
    """Return every public call that asks Redis: what is awaited or iterated over."""
    for name in sidelong.api.__all__:
        exported = getattr(sidelong.api, name)
        if inspect.iscoroutinefunction(exported):
            yield pytest.param(exported, id=name)
        for attribute, value in inspect.getmembers(exported):
            is_public = not attribute.startswith("_") or attribute == "__aiter__"
            if is_public and (inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value)):
                yield pytest.param(value, id=f"{name}.{attribute}")


@pytest.mark.parametrize("call", list(calls()))
def test_every_call_says_what_it_asks_of_redis_and_what_that_costs(call):
    text = inspect.getdoc(call) or ""

    assert "Redis:" in text or "Redis and errors as" in text
    assert "O(" in text or "Redis and errors as" in text
