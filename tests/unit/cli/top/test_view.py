import pytest

from sidelong.cli.top.orders import Order
from sidelong.cli.top.view import View
from tests.unit.cli.top import samples

MAILERS, LOW = samples.queue("mailers"), samples.queue("low", 1, is_paused=True)
PROCESS, WORK, RETRY = samples.process("web-1:11:aa"), samples.work("b"), samples.retry("a")
SNAPSHOT = samples.snapshot([MAILERS, LOW], [PROCESS], [WORK], [RETRY])


@pytest.fixture
def view():
    view = View()
    view.heed(SNAPSHOT)
    return view


def press(view, *keys, snapshot=SNAPSHOT):
    """Press keys, and return what the last one asks for."""
    return [view.press(key, snapshot) for key in keys][-1]


def test_p_pauses_the_chosen_queue_and_lets_a_paused_one_be_served(view):
    assert press(view, "p") == Order("pause", MAILERS)
    assert press(view, "j", "p") == Order("unpause", LOW)


@pytest.mark.parametrize(
    ("tabs", "key", "order"),
    [(1, "t", Order("quiet", PROCESS)), (2, "c", Order("cancel", WORK)), (3, "r", Order("retry", RETRY))],
)
def test_what_cannot_be_undone_waits_for_a_yes(view, tabs, key, order):
    assert press(view, *["tab"] * tabs, key) is None
    assert view.question == order
    assert press(view, "y") == order
    assert view.question is None


@pytest.mark.parametrize("answer", ["n", "\n", "q", "c", "escape", "unknown"])
def test_any_other_key_is_a_no_and_does_nothing_else(view, answer):
    press(view, "backtab", "r")

    assert press(view, answer) is None
    assert (view.question, view.is_over, view.message) == (None, False, "nothing was changed")


@pytest.mark.parametrize("key", ["t", "r", "c"])
def test_a_key_for_another_section_says_so(view, key):
    assert press(view, key) is None
    assert view.question is None
    assert "Tab leads there" in view.message


def test_an_empty_section_has_nothing_to_steer(view):
    empty = samples.snapshot()
    view.heed(empty)

    assert press(view, "p", snapshot=empty) is None
    assert view.message == "there is no queue"


def test_nothing_is_steered_before_the_first_look():
    assert press(View(), "j", "p", snapshot=None) is None


def test_the_choice_stays_with_its_row_when_the_order_changes(view):
    press(view, "j")
    turned = samples.snapshot([LOW, MAILERS])

    view.heed(turned)

    assert press(view, "p", snapshot=turned) == Order("unpause", LOW)


def test_where_the_chosen_row_is_gone_the_one_in_its_place_is_chosen(view):
    press(view, "j")
    left = samples.snapshot([MAILERS])

    view.heed(left)

    assert press(view, "p", snapshot=left) == Order("pause", MAILERS)


def test_the_answer_is_for_the_row_that_was_asked_about(view):
    press(view, "tab", "tab", "c")
    view.heed(samples.snapshot(busy=[samples.work("other")]))

    assert press(view, "y", snapshot=samples.snapshot(busy=[samples.work("other")])) == Order("cancel", WORK)


@pytest.mark.parametrize(
    ("keys", "place"),
    [(["up"], 0), (["down"], 1), (["down", "down"], 1), (["end", "k"], 0), (["page_down", "home"], 0)],
)
def test_the_choice_stays_within_the_rows(view, keys, place):
    press(view, *keys)

    assert view.place("queues") == place


def test_tab_goes_round_and_back(view):
    sections = []
    for _ in range(4):
        press(view, "tab")
        sections.append(view.section)
    press(view, "backtab")

    assert sections == ["processes", "busy", "retries", "queues"]
    assert view.section == "retries"


def test_help_ends_with_any_key_and_q_quits(view):
    press(view, "?")
    assert view.is_helping
    press(view, "q")
    assert (view.is_helping, view.is_over) == (False, False)
    press(view, "q")
    assert view.is_over
