import json

import pytest

from sidelong.api import JobRecord, history_of
from sidelong.api.history import EVENTS
from sidelong.api.reasons import REASONS

T = 1795217000.5


def record(**fields):
    return JobRecord(json.dumps({"class": "A", "args": [], "jid": "1", "created_at": T, **fields}).encode())


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ({}, ["created"]),
        ({"retry_count": 0, "failed_at": T + 1, "error_class": "E"}, ["created", "attempt 1 failed with E"]),
        (
            {"retry_count": 1, "failed_at": T + 1, "retried_at": T + 2},
            ["created", "attempt 1 failed", "attempt 2 failed with an error"],
        ),
        (
            {"retry_count": 2, "failed_at": T + 1, "retried_at": T + 9, "error_message": "{no} %s"},
            [
                *("created", "attempt 1 failed", "attempt 2 failed; only the first and the last failure are kept"),
                "attempt 3 failed with error: {no} %s",
            ],
        ),
    ],
)
def test_failures_are_told_as_far_as_they_are_stored(failures, expected):
    assert [event.text for event in history_of(record(**failures))] == expected


def test_events_come_in_their_order():
    told = history_of(record(enqueued_at=T + 5, crashed_at=[T + 9, T + 7, "x", 1e300]), died_at=T + 10)

    assert [(event.kind, event.at) for event in told] == [
        *(("created", T), ("enqueued", T + 5), ("crashed", T + 7), ("crashed", T + 9)),
        ("died", T + 10),
    ]


def test_what_is_told_is_in_words_that_nobody_can_take_for_a_choice_of_two():
    # The pages take a bar for the mark between one thing and many.
    assert not [text for text in (*EVENTS.values(), *REASONS.values()) if "|" in text]
