"""What a page shows of long values: the begin, whatever comes behind it."""

import json

from sidelong.web.pages import arguments, pretty


class Unread:
    """What must not be written down."""

    def __str__(self) -> str:
        raise AssertionError("this is not shown, and was written down all the same")


def test_of_many_arguments_only_what_is_shown_is_written():
    assert arguments(["x" * 200, Unread()]) == '"' + "x" * 98 + "…"
    assert arguments([[0] * 100, Unread()]).endswith(" 0,…")


def test_of_a_long_value_only_what_is_shown_is_written():
    assert len(pretty([*range(10_000), Unread()])) == 20_000


def test_what_is_short_is_shown_as_it_is():
    assert arguments([1, [2, {"a": []}], "é", None]) == '1, [2, {"a": []}], "é", null'
    assert arguments([]) == ""
    assert arguments([[]]) == "[]"
    assert json.loads(pretty({"a": [1, {}]})) == {"a": [1, {}]}


def test_a_list_that_ends_where_the_room_does_is_not_taken_for_the_end():
    shown = [arguments([[0] * length, "more"]) for length in range(20, 45)]

    assert all(text.startswith("[0, 0") and text.endswith(('"more"', "…")) for text in shown)
