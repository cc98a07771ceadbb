import pytest

from sidelong.core.step_record import MAX_RESULT, StepRecord


class Receipt:
    pass


@pytest.mark.parametrize(
    "result", [None, True, 0, -(2**70), 1.5, 1e-7, "", "Grüße", [], {}, [1, {"a": [None]}], "x" * (MAX_RESULT - 2)]
)
def test_a_result_comes_back_equal(result):
    record = StepRecord.of(result)

    assert (record.result, record.unfit) == (result, "")
    assert StepRecord.read(record.write()) == record


def test_tuples_come_back_as_lists_in_the_first_run_as_well():
    record = StepRecord.of((1, {"a": (2, [(3,)])}))

    assert record.result == [1, {"a": [2, [[3]]]}]
    assert StepRecord.read(record.write()) == record


def test_a_result_is_a_copy():
    given = {"items": [1]}

    record = StepRecord.of(given)
    given["items"].append(2)

    assert record.result == {"items": [1]}


def endless() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (Receipt(), "result is of type Receipt: only None, bool, int, float, str, list and dict survive JSON"),
        ({"a": [b""]}, 'result["a"][0] is of type bytes'),
        ((set(),), "result[0] is of type set"),
        ({1: 2}, "result has the key 1, a int: keys must be str"),
        (float("nan"), "result is nan, which JSON cannot carry"),
        (endless(), "result[0][0]"),
        ("x" * MAX_RESULT, "result has 65,538 bytes of JSON, more than 65,536; store the data elsewhere"),
    ],
)
def test_what_cannot_be_kept_is_finished_all_the_same(result, reason):
    record = StepRecord.of(result)

    assert record.unfit.startswith(reason)
    assert "annotated" not in record.unfit
    assert StepRecord.read(record.write()) == record


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[]", b"null", b'"x"', b"{", b"{}", b'{"other":1}', b"[" * 1000])
def test_bytes_of_others_are_a_finished_step_without_a_result(raw):
    assert StepRecord.read(raw).unfit == "what Redis holds of it cannot be read"


def test_fields_of_other_types_are_read_as_text():
    record = StepRecord.read(b'{"unfit":5,"unasked":[1]}')

    assert (record.unfit, record.unasked) == ("5", "[1]")


@pytest.mark.parametrize("key", [pytest.param("x" * 1_000_000, id="long"), pytest.param(10**5000, id="huge")])
def test_a_reason_is_short_and_there_is_always_one(key):
    record = StepRecord.of({key: Receipt()})

    assert 0 < len(record.unfit) < 300
    assert StepRecord.read(record.write()) == record
