"""Whatever stands in Redis, reading it either gives a job, all of it, or raises the one error that says it is none."""

import time
from random import Random
from typing import Any

import pytest

from sidelong.core import payload, serialization
from sidelong.core.context import Context
from sidelong.core.display import shown
from sidelong.core.logs.fields import Fields
from sidelong.errors import InvalidPayloadError
from tests.integration.hostile_payloads import payloads
from tests.integration.hostile_payloads.readable import crashes, readable, usable_jid
from tests.integration.hostile_payloads.strategies import naming

pytestmark = [pytest.mark.timeout(3600)]

NOW = 1795217200.0
WINDOW = 259_200.0


def test_a_payload_is_read_completely_or_refused(hostile: list[bytes]) -> None:
    began, jobs = time.monotonic(), 0
    for raw in hostile:
        with naming(raw):
            expected = readable(raw)

            if expected is None:
                assert_it_is_refused(raw)
                continue
            jobs += 1
            item = payload.parse(raw)

            assert item == expected
            assert list(item) == list(expected)
            assert_it_is_written_as_it_was_read(item)
            assert_readers_take_it(item)
            assert_records_keep_the_rest(item)
    print(f"\n{len(hostile):,} hostile payloads read: {jobs:,} jobs; {time.monotonic() - began:.1f} s")


def test_samples_are_jobs_and_rubbish_and_come_again_with_their_seed() -> None:
    samples = payloads.samples(Random(7), 500)

    assert payloads.samples(Random(7), 500) == samples
    jobs = sum(readable(raw) is not None for raw in samples)
    assert 100 < jobs < 400


def assert_it_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidPayloadError) as caught:
        payload.parse(raw)
    assert is_fit_for_a_log(str(caught.value))


def is_fit_for_a_log(text: str) -> bool:
    return len(text.encode()) < 2000 and text.isprintable()


def assert_it_is_written_as_it_was_read(item: dict[str, Any]) -> None:
    written = serialization.dumps(item)

    again = payload.parse(written)
    assert again == item
    assert list(again) == list(item)
    assert serialization.dumps(again) == written


def assert_readers_take_it(item: dict[str, Any]) -> None:
    assert (payload.usable_jid(item) is not None) is (usable_jid(item) is not None)
    assert is_fit_for_a_log(shown(payload.job_class(item)))
    for reader, field, kind in ((payload.wire_class, "class", str), (payload.arguments, "args", list)):
        if type(item.get(field)) is kind:
            assert reader(item) is item[field]
        else:
            with pytest.raises(InvalidPayloadError) as caught:
                reader(item)
            assert is_fit_for_a_log(str(caught.value))
    count = payload.retry_count(item)
    assert count is None or count == item["retry_count"]
    assert len(payload.crashes_within(item, WINDOW, NOW)) == crashes(item, NOW, WINDOW)
    for name, value in item.items():
        allowed = payload.retries_allowed(value, 25)
        assert allowed is None if value is False else allowed is not None and allowed >= 0
        instant = payload.instant(value)
        assert instant is None or type(instant) is float
        assert is_fit_for_a_log(shown(value))
        assert is_fit_for_a_log(str(Fields({shown(name): shown(value)})))
    context = Context("jid", "default", item, lambda: False)
    assert context.attempt >= 1
    assert context.enqueued_at is None or type(context.enqueued_at) is float
    assert type(context.tags) is tuple


def assert_records_keep_the_rest(item: dict[str, Any]) -> None:
    failed = payload.parse(serialization.dumps(item))
    count = payload.record_failure(failed, queue="default", error=ValueError("no"), backtrace="x", now=NOW)
    payload.add_crash(failed, payload.crashes_within(failed, WINDOW, NOW), NOW)

    kept = payload.parse(serialization.dumps(failed))
    assert kept["retry_count"] == count
    assert crashes(kept, NOW, WINDOW) == min(crashes(item, NOW, WINDOW) + 1, payload.MAX_CRASHES_KEPT)
    changed = {"queue", "error_message", "error_class", "error_backtrace", "retry_count", "failed_at", "retried_at"}
    for name in item.keys() - changed - {"crashed_at"}:
        assert kept[name] == item[name]
