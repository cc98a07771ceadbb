import json

import pytest

from sidelong.api import Filter, JobRecord

ITEM = {
    "class": "Sidekiq::ActiveJob::Wrapper", "wrapped": "Mail", "args": [{"job_class": "Mail", "arguments": []}],
    "queue": "low", "tags": ["vip"], "error_class": "ValueError", "error_message": "Straße 😀 [*]",
}  # fmt: skip


def mailer(*words):
    """A mail as ActiveJob stores it, which is shown by its class and method."""
    called = {"job_class": "ActionMailer::MailDeliveryJob", "arguments": [*words, "deliver_now", {"args": []}]}
    return {"class": "Sidekiq::ActiveJob::Wrapper", "wrapped": called["job_class"], "args": [called]}


RAW = JobRecord(json.dumps(ITEM, ensure_ascii=False).encode())
ESCAPED = JobRecord(json.dumps(ITEM).encode())


@pytest.mark.parametrize(
    "meant",
    [
        Filter(),
        Filter(job_class="Mail"),
        Filter(job_class="Sidekiq::ActiveJob::Wrapper"),
        Filter(queue="low"),
        Filter(tag="vip"),
        Filter(error_class="ValueError"),
        Filter(text="straße"),
        Filter(text="STRASSE"),
        Filter(text="😀 [*]"),
        Filter(text=""),
        Filter(job_class="Mail", queue="low", tag="vip", error_class="ValueError", text="vip"),
    ],
)
def test_finds_what_meets_all_conditions(meant):
    assert meant.matches(RAW)
    assert meant.matches(ESCAPED)


@pytest.mark.parametrize(
    "meant",
    [
        Filter(job_class="mail"),
        Filter(queue="default"),
        Filter(tag="vi"),
        Filter(error_class="KeyError"),
        Filter(text="strase"),
        Filter(text="*😀"),
        Filter(job_class="Mail", queue="default"),
    ],
)
def test_leaves_out_what_does_not(meant):
    assert not meant.matches(RAW)
    assert not meant.matches(ESCAPED)


def test_text_is_found_in_bytes_that_are_no_job():
    assert Filter(text="BROKEN").matches(JobRecord(b"\xffbroken"))
    assert not Filter(job_class="broken").matches(JobRecord(b"\xffbroken"))
    assert not Filter(text="x").matches(JobRecord(b'"\\ud800\\u"'))


@pytest.mark.parametrize(
    ("meant", "item"),
    [
        (Filter(job_class="(no class)"), {"args": []}),
        (Filter(job_class=""), {"args": []}),
        (Filter(job_class="Mailer#welcome"), mailer("Mailer", "welcome")),
        (Filter(job_class="Größe"), {"class": "Größe", "args": []}),
        (Filter(job_class='A"B\\C'), {"class": 'A"B\\C', "args": []}),
        (Filter(job_class="shop.jobs.charge"), {"class": "shop.jobs.charge", "args": []}),
        (Filter(tag=""), {"class": "A", "args": [], "tags": [""]}),
        (Filter(tag="é/ü"), {"class": "A", "args": [], "tags": ["é/ü"]}),
    ],
)
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_whatever_its_texts_look_like_in_the_json_a_job_is_found(meant, item, ensure_ascii):
    assert meant.matches(JobRecord(json.dumps(item, ensure_ascii=ensure_ascii).encode()))
