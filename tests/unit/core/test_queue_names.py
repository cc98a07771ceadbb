import pytest

from sidelong.core.queue_names import parse_queues, refuse_shared_queues
from sidelong.errors import ConfigurationError


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ()),
        (["a", "b"], (("a", 0), ("b", 0))),
        (["a", "b,2"], (("a", 1), ("b", 2))),
        ([("a", 3), "b"], (("a", 3), ("b", 1))),
        (["a,0", "b"], (("a", 0), ("b", 0))),
        ((name for name in ["a", "b"]), (("a", 0), ("b", 0))),
    ],
)
def test_queues_without_any_weight_are_strict(given, expected):
    assert parse_queues(given) == expected


def test_what_was_parsed_may_be_parsed_again():
    parsed = parse_queues(["a", "b,2"])

    assert parse_queues(parsed) == parsed


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("a", "must be a list of names"),
        (b"a", "must be a list of names"),
        ({"a": 1}, "must be a list of names"),
        (5, "must be a list of names"),
        (None, "must be a list of names"),
        (["a b"], "'a b' is not a queue name"),
        (["a,x"], "'a,x': the weight of a queue must be a whole number"),
        ([("a", "2")], "is no queue"),
        ([("a", True)], "is no queue"),
        ([("a", -1)], "is no queue"),
        ([5], "5 is no queue"),
        (["a,0", "b,2"], "all 0 .* or all at least 1: a,0, b,2"),
        (["a", "b", "a,2"], "the queue 'a' is named twice"),
    ],
)
def test_refuses_what_is_no_list_of_queues(given, words):
    with pytest.raises(ConfigurationError, match=words):
        parse_queues(given)


def test_a_queue_belongs_to_one_capsule():
    refuse_shared_queues([("default", (("a", 0),)), ("pdf", (("b", 1), ("c", 1)))])

    with pytest.raises(
        ConfigurationError, match="'a' is served by two capsules, 'default' and 'pdf': leave it out of one"
    ):
        refuse_shared_queues([("default", (("a", 0),)), ("pdf", (("b", 1), ("a", 1)))])
