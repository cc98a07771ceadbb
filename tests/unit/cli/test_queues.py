import pytest

from sidelong.cli.queues import parse_queues


def test_queues_without_weights_are_strict():
    assert parse_queues(["critical", "default"]) == [("critical", 0), ("default", 0)]


def test_weights_are_read_and_the_order_is_kept():
    assert parse_queues(["low,1", "critical,3"]) == [("low", 1), ("critical", 3)]


def test_an_unweighted_queue_beside_a_weighted_one_weighs_one():
    assert parse_queues(["critical,3", "default"]) == [("critical", 3), ("default", 1)]


def test_no_queue_given_is_no_queue_chosen():
    assert parse_queues([]) == []


@pytest.mark.parametrize("text", ["", ",3", " mailers", "mailers ,2"])
def test_a_queue_without_a_proper_name_is_refused(text):
    with pytest.raises(ValueError, match="has no queue name"):
        parse_queues([text])


@pytest.mark.parametrize(
    "text", ["mailers,", "mailers,0", "mailers,-1", "mailers,1.5", "mailers,high", "mailers,²"]
)
def test_a_weight_that_is_no_positive_whole_number_is_refused(text):
    with pytest.raises(ValueError, match="must be a whole number from 1 up"):
        parse_queues([text])


def test_a_queue_given_twice_is_refused_and_the_message_shows_the_way():
    with pytest.raises(ValueError, match=r"'mailers' is given twice.*mailers,2"):
        parse_queues(["mailers", "default", "mailers"])
