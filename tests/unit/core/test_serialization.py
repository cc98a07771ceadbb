import datetime
import enum
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidelong.core.serialization import (
    MAX_NESTING,
    check_arguments,
    check_value,
    dump_arguments,
    dump_payload,
    dumps,
    loads,
)
from sidelong.errors import ArgumentError, InvalidPayloadError

quick = settings(deadline=None, max_examples=200)

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
documents = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20)

# Written by Ruby 3.1.2 with json 2.6.1.
RUBY_FLOATS = [
    (0.0, "0.0"),
    (-0.0, "-0.0"),
    (1.0, "1.0"),
    (-1.5, "-1.5"),
    (0.1, "0.1"),
    (100.0, "100.0"),
    (1795217165.2025769, "1795217165.2025769"),
    (0.0001, "0.0001"),
    (0.00012345678901234567, "0.00012345678901234567"),
    (9.999e-05, "9.999e-05"),
    (1e-05, "1.0e-05"),
    (-1e-07, "-1.0e-07"),
    (1.5e-07, "1.5e-07"),
    (5e-324, "5.0e-324"),
    (999999999999999.0, "999999999999999.0"),
    (999999999999999.9, "999999999999999.9"),
    (1e15, "1.0e+15"),
    (-1e15, "-1.0e+15"),
    (1000000000000001.0, "1.000000000000001e+15"),
    (1234567890123456.0, "1.234567890123456e+15"),
    (1234567890123456.8, "1234567890123456.8"),
    (9007199254740992.0, "9.007199254740992e+15"),
    (9999999999999998.0, "9.999999999999998e+15"),
    (1e16, "1.0e+16"),
    (12345678901234568.0, "1.2345678901234568e+16"),
    (1.2e17, "1.2e+17"),
    (1e22, "1.0e+22"),
    (1e100, "1.0e+100"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
]


class Colour(enum.StrEnum):
    RED = "red"


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Ratio(float):
    pass


class Rows(list):
    pass


class Fields(dict):
    pass


def nested(levels, leaf=None):
    value = leaf
    for level in range(levels):
        value = [value] if level % 2 else {"k": value}
    return value


@pytest.mark.parametrize(("value", "text"), RUBY_FLOATS)
def test_writes_floats_as_ruby_does(value, text):
    assert dumps(value) == text.encode()
    assert dumps({"args": [1, {"k": [value, "x"]}], "at": value}) == (
        f'{{"args":[1,{{"k":[{text},"x"]}}],"at":{text}}}'.encode()
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "{}"),
        ([], "[]"),
        ({"b": 1, "a": [True, False, None]}, '{"b":1,"a":[true,false,null]}'),
        ("é😀\u2028\u007f/<>&", '"é😀\u2028\u007f/<>&"'),
        ('"\\\b\f\n\r\t\0\x01\x1f', r'"\"\\\b\f\n\r\t\u0000\u0001\u001f"'),
        (2**64, "18446744073709551616"),
        (-(10**30), "-1000000000000000000000000000000"),
        ("1e-05 and 0.00001", '"1e-05 and 0.00001"'),
    ],
)
def test_writes_compact_unescaped_json_in_insertion_order(value, text):
    assert dumps(value) == text.encode()


@quick
@given(documents)
def test_reads_back_what_it_wrote_and_writes_the_same_bytes_again(document):
    raw = dumps(document)

    again = loads(raw)

    assert again == document
    assert json.loads(raw) == document
    assert dumps(again) == raw


@quick
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_gives_every_float_a_fraction_and_its_own_value(value):
    text = dumps(value).decode()

    mantissa, _, exponent = text.partition("e")
    assert "." in mantissa
    assert not exponent or (exponent[0] in "+-" and len(exponent) >= 3)
    assert math.copysign(1, loads(text.encode())) == math.copysign(1, value)
    assert loads(text.encode()) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_refuses_to_write_what_is_not_a_finite_number(value):
    with pytest.raises(InvalidPayloadError, match=r'payload\["args"\]\[0\]'):
        dumps({"class": "A", "args": [value]})


@pytest.mark.parametrize("item", [{"error_message": "\ud800"}, {"\udfff": 1}, ["é\udc00"]])
def test_refuses_to_write_lone_surrogates(item):
    with pytest.raises(InvalidPayloadError, match="surrogate"):
        dumps(item)


@pytest.mark.parametrize(
    "value", [(1,), {1}, b"x", datetime.datetime.now(datetime.UTC), {1: 2}, Text("x"), Colour.RED, object()]
)
def test_refuses_to_write_what_would_silently_become_something_else(value):
    with pytest.raises(InvalidPayloadError, match=r'payload\["cattr"\]'):
        dumps({"cattr": value})


def test_writes_and_reads_as_many_levels_as_ruby_does():
    deepest = nested(MAX_NESTING, leaf=1e-05)

    assert loads(dumps(deepest)) == deepest
    with pytest.raises(InvalidPayloadError, match="levels"):
        dumps([deepest])
    with pytest.raises(InvalidPayloadError, match="levels"):
        loads(b"[" + dumps(deepest) + b"]")


def test_reads_wide_documents_that_are_not_deep():
    wide = [[{"k": [number]}] for number in range(500)]

    assert loads(dumps(wide)) == wide


def test_refuses_a_value_that_holds_itself():
    loop = []
    loop.append(loop)

    with pytest.raises(InvalidPayloadError, match="levels"):
        dumps({"args": loop})
    with pytest.raises(ArgumentError, match="levels"):
        check_arguments(loop)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b"nope",
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e400]",
        b"01",
        b"[1,]",
        b"{'a':1}",
        b"{1:2}",
        b"1 2",
        b'"a\nb"',
        b'"\xff"',
        b'"\\ud800"',
        b'"\\udc00x"',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b"9" * 5_000,
    ],
    ids=lambda raw: ascii(raw[:12]),
)
def test_refuses_to_read_what_is_not_json(raw):
    with pytest.raises(InvalidPayloadError, match="not valid JSON"):
        loads(raw)


@quick
@given(st.binary() | texts.map(str.encode))
def test_answers_any_bytes_with_a_value_or_one_kind_of_error(raw):
    try:
        value = loads(raw)
    except InvalidPayloadError:
        return

    assert loads(dumps(value)) == value


def test_reads_foreign_spellings():
    raw = b'{ "a" : "\\u00e9\\ud83d\\ude00" , "b" : [1E5, 1e-05, -0.0, 123456789012345678901234567890] }'

    assert loads(raw) == {"a": "é😀", "b": [100000.0, 1e-05, 0.0, 123456789012345678901234567890]}


def test_keeps_the_last_of_two_equal_keys_as_ruby_does():
    assert loads(b'{"a":1,"a":2}') == {"a": 2}


@pytest.mark.parametrize(
    "args", [[], (), [42, "x"], (None, True, 1.5, 2**70, "é"), [{"a": [{"b": {}}]}, []], [10**4299, 1e-300]]
)
def test_accepts_exact_json_types(args):
    check_arguments(args)


@quick
@given(st.lists(documents))
def test_accepts_arguments_that_json_brings_back_equal(args):
    check_arguments(args)

    assert loads(dumps(args)) == args


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([{"when": datetime.date(2026, 1, 1)}], r'args\[0\]\["when"\] is of type date'),
        ([1, (2,)], r"args\[1\] is of type tuple"),
        ([[1, {2}]], r"args\[0\]\[1\] is of type set"),
        ([b"x"], r"args\[0\] is of type bytes"),
        ([Colour.RED], r"args\[0\] is of type Colour"),
        ([Text("x")], r"args\[0\] is of type Text"),
        ([Number(1)], r"args\[0\] is of type Number"),
        ([Ratio(1)], r"args\[0\] is of type Ratio"),
        ([Rows()], r"args\[0\] is of type Rows"),
        ([Fields()], r"args\[0\] is of type Fields"),
        ([{1: 2}], r"args\[0\] has the key 1, a int"),
        ([{"a": {None: 2}}], r'args\[0\]\["a"\] has the key None'),
        ([{Text("k"): 2}], r"args\[0\] has the key 'k', a Text"),
        ([{"é": object()}], r'args\[0\]\["é"\] is of type object'),
        ([0, math.nan], r"args\[1\] is nan"),
        ([{"x": -math.inf}], r'args\[0\]\["x"\] is -inf'),
        (["fine", "é\ud800"], r"args\[1\] holds a lone surrogate"),
        ([{"\ud800": 1}], r"args\[0\] has the key '\\ud800' with a lone surrogate"),
        ([10**4300], r"args\[0\] is an int of more than 4300 digits"),
        ([-(10**4300)], r"args\[0\] is an int of more than 4300 digits"),
    ],
)
def test_names_the_path_of_an_argument_that_json_cannot_carry(args, message):
    with pytest.raises(ArgumentError, match=message):
        check_arguments(args)
    with pytest.raises(ArgumentError, match=message):
        check_arguments(tuple(args))


def test_calls_the_arguments_what_the_caller_calls_them():
    with pytest.raises(ArgumentError, match=r"^SendWelcome args\[0\] is of type set"):
        check_arguments([{1}], root="SendWelcome args")


def test_leaves_room_for_the_payload_around_the_arguments():
    deepest = nested(MAX_NESTING - 2)

    check_arguments([deepest])

    assert loads(dumps({"class": "A", "args": [deepest]}))["args"] == [deepest]
    with pytest.raises(ArgumentError, match="nests too deeply"):
        check_arguments([[deepest]])


def test_a_value_beside_the_arguments_may_nest_as_they_do():
    deepest = nested(MAX_NESTING - 2)

    check_value(deepest, root="it")

    assert loads(dumps({"class": "A", "cattr": {"it": deepest}}))["cattr"] == {"it": deepest}
    with pytest.raises(ArgumentError, match=r"it\[0\].* nests too deeply"):
        check_value([deepest], root="it")


def test_does_not_change_what_it_writes():
    item = {"args": [1e-07, {"k": 1e20}], "jid": "a"}

    dumps(item)

    assert item == {"args": [1e-07, {"k": 1e20}], "jid": "a"}
    assert type(item["args"][0]) is float


@pytest.mark.parametrize("args", [[[float("nan")], 1e20], [{"a": {1}}, 1e-5], [[(1, 2)], 1e20]])
def test_a_number_that_ruby_spells_apart_hides_no_fault_before_it(args):
    with pytest.raises(ArgumentError):
        check_arguments(args)
    with pytest.raises(ArgumentError):
        dump_arguments(args)
    with pytest.raises(InvalidPayloadError):
        dumps({"args": args})
    for plain in (False, True):
        with pytest.raises(ArgumentError):
            dump_payload({"args": args}, is_plain=plain)


@pytest.mark.parametrize("other", [1e20, "ü", None, {"a": [True]}])
@pytest.mark.parametrize(
    ("number", "is_large"), [(2**53, False), (-(2**53), False), (2**53 + 1, True), (-(2**53) - 1, True), (10**40, True)]
)
def test_tells_of_integers_that_others_may_round(number, is_large, other):
    args = [other, [{"id": number}]]

    written, tells = dump_arguments(args)

    assert (written, tells) == (dumps(args), is_large)
    assert dump_payload({"args": args}) == (dumps({"args": args}), is_large)
    assert dump_payload({"args": args}, is_plain=True) == (dumps({"args": args}), is_large)
