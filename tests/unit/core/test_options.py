from datetime import timedelta

import pytest

from sidelong.core.options import JobOptions, check_queue_name
from sidelong.errors import ConfigurationError


def test_defaults_are_sidekiqs():
    assert JobOptions.merge().to_payload() == {"retry": True, "queue": "default"}


def test_later_layers_win_and_none_gives_the_default_back():
    options = JobOptions.merge(
        {"queue": "a", "retry": 3, "x": 1}, {"queue": "b", "timeout": 5}, {"timeout": None, "x": 2}
    )

    assert (options.queue, options.retry, options.timeout, dict(options.extra)) == ("b", 3, None, {"x": 2})


def test_the_payload_has_sidekiqs_order_and_only_what_is_set():
    options = JobOptions.merge(
        {
            "custom": {"a": 1},
            "log_level": "DEBUG",
            "timeout": timedelta(seconds=1.5),
            "tags": ("a", "b"),
            "backtrace": 5,
            "dead": False,
            "retry_queue": "slow",
            "retry_for": timedelta(hours=1),
            "queue": "q",
            "retry": 0,
            "retry_in": lambda count, exception, payload: 1,
            "retries_exhausted": lambda payload, exception: None,
            "typed": False,
            "transient": [OSError],
        }
    )

    assert list(options.to_payload().items()) == [
        ("retry", 0),
        ("queue", "q"),
        ("retry_for", 3600),
        ("retry_queue", "slow"),
        ("dead", False),
        ("backtrace", 5),
        ("tags", ["a", "b"]),
        ("timeout", 1.5),
        ("log_level", "debug"),
        ("custom", {"a": 1}),
    ]


def test_override_lays_changes_over_and_keeps_the_rest():
    options = JobOptions.merge({"queue": "a", "tags": ["t"], "custom": 1, "typed": False, "transient": [OSError]})

    changed = options.override({"queue": "b", "other": 2})

    assert (changed.queue, changed.tags, dict(changed.extra)) == ("b", ("t",), {"custom": 1, "other": 2})
    assert (changed.typed, changed.transient) == (False, (OSError,))
    assert options.queue == "a"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("queue", "", "not a queue name"),
        ("queue", "a b", "not a queue name"),
        ("queue", "é", "not a queue name"),
        ("queue", "a\n", "not a queue name"),
        ("queue", "a" * 129, "not a queue name"),
        ("queue", ["a"], "not a queue name"),
        ("retry_queue", "a/b", "not a queue name"),
        ("retry", -1, "retry must be"),
        ("retry", 1.5, "retry must be"),
        ("retry", "yes", "retry must be"),
        ("retry_for", 1_000_000_001, "at most 1,000,000,000"),
        ("retry_for", -1, "retry_for must be"),
        ("retry_for", "1h", "retry_for must be seconds"),
        ("retry_in", 5, "retry_in must be a function"),
        ("retries_exhausted", "f", "retries_exhausted must be a function"),
        ("dead", 0, "dead must be"),
        ("backtrace", -1, "backtrace must be"),
        ("tags", "vip", "tags must be a list"),
        ("tags", [1], "tags must be a list"),
        ("tags", [""], "tags must be a list"),
        ("timeout", 0, "more than 0"),
        ("timeout", float("inf"), "finite"),
        ("timeout", True, "timeout must be seconds"),
        ("log_level", "loud", "log_level must be one of"),
        ("args", [1], "field of every payload"),
        ("jid", "a", "field of every payload"),
        ("typed", 1, "typed must be True or False"),
        ("transient", TimeoutError, "transient must be a list of exception classes"),
        ("transient", ["TimeoutError"], "given in code, as in \\[TimeoutError\\], not \\['TimeoutError'\\]"),
        ("transient", [KeyboardInterrupt], "transient must be a list of exception classes"),
        ("custom", {1, 2}, "'custom' travels in the payload"),
    ],
)
def test_refuses_what_cannot_work_with_a_sentence(name, value, words):
    with pytest.raises(ConfigurationError, match=words):
        JobOptions.merge({name: value})


def test_accepts_every_character_sidekiqs_pages_accept():
    assert check_queue_name("Ab-9_.:") == "Ab-9_.:"
