from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidelong.core.queue_order import QueueOrder
from sidelong.errors import ConfigurationError

quick = settings(deadline=None, max_examples=200)

weightings = st.dictionaries(st.text(min_size=1), st.integers(1, 50), min_size=1, max_size=8) | (
    st.dictionaries(st.text(min_size=1), st.just(0), min_size=1, max_size=8)
)


@pytest.mark.parametrize(
    ("weights", "mode"),
    [
        ({"a": 0}, "strict"),
        ({"a": 0, "b": 0}, "strict"),
        ({"a": 1}, "random"),
        ({"a": 1, "b": 1}, "random"),
        ({"a": 3, "b": 1}, "weighted"),
        ({"a": 2, "b": 2}, "weighted"),
    ],
)
def test_tells_the_mode_from_the_weights(weights, mode):
    assert QueueOrder(weights, Random(1)).mode == mode


@pytest.mark.parametrize("weights", [{}, {"a": 0, "b": 1}, {"a": -1}, {"a": 3, "b": -1, "c": 0}])
def test_refuses_weights_that_say_nothing_clear(weights):
    with pytest.raises(ConfigurationError):
        QueueOrder(weights, Random(1))


def test_keeps_the_names_in_the_order_configured():
    assert QueueOrder({"z": 1, "a": 5, "m": 2}, Random(1)).names == ("z", "a", "m")


def test_gives_everything_to_the_first_queue_in_strict_order():
    order = QueueOrder({"critical": 0, "default": 0, "low": 0}, Random(1))

    assert [order.draw(10) for _ in range(20)] == [[(0, 10)]] * 20
    assert [order.order() for _ in range(20)] == [[0, 1, 2]] * 20


@pytest.mark.parametrize("weight", [0, 1, 7])
def test_gives_everything_to_an_only_queue(weight):
    order = QueueOrder({"default": weight}, Random(1))

    assert order.draw(5) == [(0, 5)]
    assert order.order() == [0]


@quick
@given(weightings, st.integers(0, 200), st.integers())
def test_shares_exactly_the_free_slots_and_orders_every_queue_once(weights, slots, seed):
    order = QueueOrder(weights, Random(seed))

    shares = order.draw(slots)

    assert sum(share for _, share in shares) == slots
    assert all(share > 0 for _, share in shares)
    assert len({index for index, _ in shares}) == len(shares)
    assert sorted(order.order()) == list(range(len(weights)))


@pytest.mark.parametrize("slots", [1, 100])
def test_shares_slots_by_weight_whether_taken_one_by_one_or_together(slots):
    order = QueueOrder({"high": 3, "default": 2, "low": 1}, Random(1))
    total = Counter()

    for _ in range(60_000 // slots):
        total.update(dict(order.draw(slots)))

    assert [round(total[index] / 60_000, 2) for index in range(3)] == pytest.approx([0.5, 0.33, 0.17], abs=0.02)


def test_spreads_one_take_over_the_queues():
    order = QueueOrder({"a": 1, "b": 1}, Random(1))

    shares = dict(order.draw(1_000))

    assert shares[0] == pytest.approx(500, abs=100)


def test_orders_queues_as_often_first_as_their_weight_says():
    order = QueueOrder({"high": 3, "default": 2, "low": 1}, Random(1))

    firsts = Counter(order.order()[0] for _ in range(30_000))

    assert [firsts[index] / 30_000 for index in range(3)] == pytest.approx([1 / 2, 1 / 3, 1 / 6], abs=0.02)


def test_orders_like_a_shuffled_bag_in_the_places_after_the_first():
    order = QueueOrder({"high": 3, "default": 2, "low": 1}, Random(1))

    orders = Counter(tuple(order.order()) for _ in range(30_000))

    assert orders[0, 1, 2] / 30_000 == pytest.approx(3 / 6 * 2 / 3, abs=0.02)
    assert orders[2, 1, 0] / 30_000 == pytest.approx(1 / 6 * 2 / 5, abs=0.02)


def test_draws_the_same_from_the_same_source():
    weights = {"a": 3, "b": 1}

    assert QueueOrder(weights, Random(9)).draw(50) == QueueOrder(weights, Random(9)).draw(50)
