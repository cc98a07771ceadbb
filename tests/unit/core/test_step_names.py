import enum
import hashlib
import json

import pytest

from sidelong.core.step_names import LONGEST_NAME, idempotency_key, shown_name, step_name
from sidelong.errors import ArgumentError

JID = "0123456789abcdef01234567"


class Part(enum.StrEnum):
    CHARGE = "charge"


def test_the_key_of_a_job_is_the_same_in_every_version():
    expected = "c9eb63d86952cc1778bc40cadb9d2dd3da0a2e068ef629f1e3f833a87c0c666e"

    assert idempotency_key(JID, ("order", 1234)) == expected


def test_any_language_can_make_the_key():
    text = json.dumps([JID, "Grüße", 1234], ensure_ascii=False, separators=(",", ":"))

    assert idempotency_key(JID, ("Grüße", 1234)) == hashlib.sha256(text.encode()).hexdigest()


def test_different_parts_and_different_jobs_give_different_keys():
    choices = [(), ("a",), ("a", "b"), ("ab",), ("b", "a"), (1,), ("1",), ("a", ""), ('a","b',), (-1,), (10**30,)]

    keys = {idempotency_key(jid, parts) for jid in (JID, "other") for parts in choices}

    assert len(keys) == 2 * len(choices)


@pytest.mark.parametrize(
    "part", [None, True, 1.0, b"a", ["a"], Part.CHARGE, "\ud800", pytest.param(10**5000, id="huge")]
)
def test_other_parts_are_refused(part):
    with pytest.raises(ArgumentError, match="a part of an idempotency key"):
        idempotency_key(JID, ("order", part))
    with pytest.raises(ArgumentError, match="a part of a step's name"):
        step_name(("order", part))


@pytest.mark.parametrize("parts", [(), ("",), ("charge", "")])
def test_a_step_has_a_name(parts):
    with pytest.raises(ArgumentError, match="a step has a name"):
        step_name(parts)


def test_a_name_is_not_endless():
    longest = "a" * (LONGEST_NAME - len('[""]'))

    assert len(step_name((longest,))) == LONGEST_NAME
    with pytest.raises(ArgumentError, match="has 513 bytes, more than 512"):
        step_name((longest + "a",))


def test_parts_of_names_stay_apart():
    assert step_name(("charge", 7)) == b'["charge",7]'
    assert step_name(("charge", "7")) == b'["charge","7"]'
    assert shown_name(("charge", 7)) == "'charge', 7"
    assert shown_name(("a\x1b",)) == r"'a\x1b'"
