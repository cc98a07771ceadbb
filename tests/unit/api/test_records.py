import base64
import json
import zlib

import pytest

from sidelong.api import JobRecord

SECOND = 1795217165.5


class FrozenClock:
    def now(self) -> float:
        return SECOND + 10

    def monotonic(self) -> float:
        return 0.0


def record(queue: str | None = None, **fields: object) -> JobRecord:
    item = {"class": "Mail", "args": [1, "x"], "jid": "a" * 24, "queue": "low", **fields}
    return JobRecord(json.dumps(item).encode(), queue, clock=FrozenClock())


def inflated(frames: object) -> bytes:
    return zlib.compress(json.dumps(frames).encode())


def test_reads_every_field():
    job = record(
        bid="b1", tags=["a", "b"], created_at=SECOND, enqueued_at=SECOND + 1, failed_at=SECOND + 2,
        retried_at=SECOND + 3, retry_count=4, error_class="ValueError", error_message="no",
    )  # fmt: skip

    assert (job.jid, job.job_class, job.display_class, job.queue) == ("a" * 24, "Mail", "Mail", "low")
    assert (job.args, job.display_args, job.bid, job.tags) == ([1, "x"], [1, "x"], "b1", ["a", "b"])
    assert (job.created_at, job.enqueued_at, job.failed_at, job.retried_at) == (
        SECOND, SECOND + 1, SECOND + 2, SECOND + 3,
    )  # fmt: skip
    assert (job.retry_count, job.error_class, job.error_message) == (4, "ValueError", "no")
    assert (job.latency, job.fault) == (9.0, None)
    assert (job["bid"], job.get("tags"), job.get("absent", 5), "bid" in job) == ("b1", ["a", "b"], 5, True)


def test_what_is_missing_has_a_value_of_the_same_kind():
    job = JobRecord(b'{"class":"Mail","args":[]}')

    assert (job.jid, job.queue, job.tags, job.bid, job.args) == ("", "", [], None, [])
    assert (job.created_at, job.latency, job.retry_count, job.error_message, job.error_backtrace) == (
        None, 0.0, None, None, None,
    )  # fmt: skip
    with pytest.raises(KeyError):
        _ = job["jid"]


def test_the_queue_it_was_found_in_counts_more_than_the_one_it_names():
    assert record("found").queue == "found"


@pytest.mark.parametrize("raw", [b"", b"\xff\x00", b"[1]", b"null", b"5", b'"x"', b"[" * 100_000, b"{}garbage", b"NaN"])
def test_bytes_that_are_no_job_make_an_invalid_record(raw):
    job = JobRecord(raw)

    assert job.item is None
    assert job.fault
    assert job.value == raw
    assert (job.jid, job.display_class, job.display_args) == ("", "(no class)", [])
    assert "invalid" in repr(job)


@pytest.mark.parametrize(("field", "value"), [("class", {"a": 1}), ("class", None), ("args", {"a": 1}), ("args", None)])
def test_a_payload_that_no_worker_could_run_says_why(field, value):
    job = record(**{field: value})

    assert job.item is not None
    assert job.fault.startswith(field)


@pytest.mark.parametrize(
    "written",
    [
        SECOND,
        int(SECOND * 1000),
        "1795217165.5",
        "1795217165500",
        "2026-11-20T23:26:05.5+00:00",
        "2026-11-20T23:26:05.5",
    ],
)
def test_reads_every_way_in_which_a_time_was_written(written):
    assert record(created_at=written).created_at == SECOND
    assert record(created_at=written).latency == 10.0


def test_whole_seconds_are_not_taken_for_milliseconds():
    assert record(created_at=1795217165).created_at == 1795217165.0


@pytest.mark.parametrize(
    "odd", [True, None, [], {}, "x", "", -1, -0.5, 1e300, 10**400, "9" * 5000, "nan", "1e999", "²"]
)
def test_what_is_no_time_is_none(odd):
    assert record(enqueued_at=odd).enqueued_at is None


def test_a_time_ahead_makes_no_negative_latency():
    assert record(enqueued_at=SECOND + 1000).latency == 0.0


FRAMES = ["a.py:1:in f", "b.py:2:in g"]
ENCODED = base64.b64encode(inflated(FRAMES * 20)).decode()


@pytest.mark.parametrize(
    ("stored", "frames"),
    [
        (ENCODED, FRAMES * 20),
        ("".join(f"{ENCODED[at : at + 60]}\n" for at in range(0, len(ENCODED), 60)), FRAMES * 20),
        (ENCODED.rstrip("="), FRAMES * 20),
        (FRAMES, FRAMES),
        ([], []),
    ],
)
def test_reads_every_encoding_of_a_backtrace(stored, frames):
    assert record(error_backtrace=stored).error_backtrace == frames


@pytest.mark.parametrize(
    "stored",
    [
        "***", "", "eJw=", "é", 5, None, {"a": 1}, [1, None],
        base64.b64encode(inflated({"a": 1})).decode(),
        base64.b64encode(zlib.compress(b"no json")).decode(),
        base64.b64encode(zlib.compress(b"[" * 100_000)).decode(),
        base64.b64encode(inflated(FRAMES)[:-3]).decode(),
        base64.b64encode(zlib.compress(b"[1, " * 100_000)).decode(),
    ],
)  # fmt: skip
def test_what_is_no_backtrace_is_none(stored):
    assert record(error_backtrace=stored).error_backtrace is None


@pytest.mark.parametrize("separator", [",", ", "])
def test_of_a_backtrace_that_inflates_to_much_the_begin_is_told(separator):
    frames = [f'frame {number}: "quoted, \\" é' for number in range(50_000)]
    long = base64.b64encode(zlib.compress(json.dumps(frames, separators=(separator, ":")).encode())).decode()
    bomb = base64.b64encode(zlib.compress(json.dumps(["x" * 5_000_000]).encode())).decode()

    read = record(error_backtrace=long).error_backtrace

    assert read is not None
    assert 1000 < len(read) < 10_000
    assert read == [*frames[: len(read) - 1], "(truncated)"]
    assert record(error_backtrace=bomb).error_backtrace == ["(truncated)"]


def active_job(job_class: str, arguments: list[object], **fields: object) -> JobRecord:
    name = "ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper"
    return record(**{"class": name, "args": [{"job_class": job_class, "arguments": arguments}], **fields})


def test_shows_the_job_that_active_job_wraps():
    job = active_job("Invoice", [5, {"_aj_globalid": "gid://shop/User/1"}, {"a": 1, "_aj_symbol_keys": ["a"]}])

    assert (job.display_class, job.display_args) == ("Invoice", [5, "gid://shop/User/1", {"a": 1}])
    assert active_job("Invoice", [], wrapped="Other").display_class == "Other"


def test_shows_a_mail_as_mailer_and_method():
    new = active_job(
        "ActionMailer::MailDeliveryJob", ["UserMailer", "welcome", "deliver_now", {"args": [7], "params": {"a": 1}}]
    )
    old = active_job("ActionMailer::DeliveryJob", ["UserMailer", "welcome", "deliver_now", 7])

    assert (new.display_class, new.display_args) == ("UserMailer#welcome", [{"a": 1}, [7]])
    assert (old.display_class, old.display_args) == ("UserMailer#welcome", [7])


def test_shows_a_delayed_extension_as_target_and_method():
    yaml = "---\n- !ruby/class 'Shop::Report'\n- :send_all\n- - 1\n"

    job = record(**{"class": "Sidekiq::Extensions::DelayedClass", "args": [yaml]})

    assert job.display_class == "Shop::Report.send_all"
    assert job.display_args == [yaml]


def test_a_class_for_display_wins():
    assert record(display_class="Nicer").display_class == "Nicer"


@pytest.mark.parametrize("args", [[], [5], [{}], [{"job_class": 5}], {"a": 1}, None, [{"arguments": "x"}]])
def test_an_odd_wrapper_is_shown_as_it_is(args):
    job = record(**{"class": "Sidekiq::ActiveJob::Wrapper", "args": args})

    assert job.display_class == "Sidekiq::ActiveJob::Wrapper"
    assert isinstance(job.display_args, list)


@pytest.mark.parametrize(
    "key", ["password", "userPassword", "access_token", "Secret", "api_key", "apiKey", "API-KEY", "Authorization"]
)
def test_values_of_secret_looking_keys_are_hidden_at_any_depth(key):
    job = record(args=[{"user": {key: {"a": 1}, "name": "Ada"}}, [{key: "x"}]])

    assert job.display_args == [{"user": {key: "***", "name": "Ada"}}, [{key: "***"}]]
    assert job.args[1] == [{key: "x"}]


def test_encrypted_arguments_are_named_as_such():
    assert record(args=[1, "x0=="], encrypt=True).display_args == [1, "[encrypted data]"]
    assert record(args=[], encrypt=True).display_args == []
