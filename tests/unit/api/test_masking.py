import pytest
from hypothesis import given, strategies

from sidelong.api.masking import mask_arguments

LEAVES = (
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats(allow_nan=False, allow_infinity=False)
)
TEXTS = strategies.text(strategies.characters(exclude_categories=["Cs"])) | strategies.sampled_from(
    ["***", "****", "*** hidden 1", "password", "token"]
)
JSON = strategies.recursive(
    LEAVES | TEXTS,
    lambda inner: strategies.lists(inner, max_size=4) | strategies.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(strategies.lists(JSON, max_size=4), strategies.booleans())
def test_what_is_not_touched_comes_back_as_it_was(arguments, is_encrypted):
    masked = mask_arguments({"args": arguments, "encrypt": is_encrypted})

    restored = masked.restored(masked.value)

    assert repr(restored) == repr(arguments)


def test_secrets_are_hidden_wherever_they_are_and_may_be_moved():
    item = {"args": [{"token": "one", "name": "ada"}, [{"token": {"deep": "two"}}], "three"], "encrypt": True}

    masked = mask_arguments(item)
    first, second = masked.value[0]["token"], masked.value[1][0]["token"]

    assert not {"one", "two", "three"} & set(str(masked.value).replace("'", " ").split())
    assert masked.value[0]["name"] == "ada"
    assert masked.restored([second, {"key": first}]) == [{"deep": "two"}, {"key": "one"}]


@pytest.mark.parametrize("given_value", ["***", "*** hidden 9", "***x"])
def test_a_mark_that_stands_for_nothing_is_refused(given_value):
    masked = mask_arguments({"args": [{"token": "one"}]})

    with pytest.raises(ValueError, match="stands for nothing"):
        masked.restored([given_value])


def test_marks_are_none_of_the_texts_that_were_there():
    masked = mask_arguments({"args": ["*** hidden 1", {"token": "one"}]})

    assert masked.restored(masked.value) == ["*** hidden 1", {"token": "one"}]


def test_what_has_no_arguments_has_none_to_edit():
    assert mask_arguments({"args": "no list"}).value == []


def test_a_mark_is_found_at_once_among_any_number_of_stars():
    item = {"args": ["*" * 1_000_000, {"token": "one"}]}

    masked = mask_arguments(item)

    assert len(masked.mark) < 100
    assert masked.restored(masked.value) == item["args"]
