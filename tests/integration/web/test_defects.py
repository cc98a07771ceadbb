"""Payloads that others stumble over (wire-format §14): each page shows them, and all else as if they were not there."""

import json

import pytest

from tests.support.browser import fields_of
from tests.support.defects import DEFECTS, NO_JOBS, SOUND, SOUND_RAW
from tests.support.html import facts, job_links, rows

SETS = {"/retries": "retry", "/scheduled": "schedule", "/dead": "dead"}
QUEUE = "/queues/default"
LISTS = (*SETS, QUEUE)
SCORE = 1795217199.5

# Two jobs of one id in a queue are not told apart.
STORED = {name: raw.replace(b"defec0", f"{place:06}".encode()) for place, (name, raw) in enumerate(DEFECTS.items())}
JOBS = {name: raw for name, raw in STORED.items() if name not in NO_JOBS}


def keys(page):
    return fields_of(page.text)["key"]


def put(site, path, *raws):
    if path == QUEUE:
        for raw in raws:
            site.push_raw(raw)
    else:
        site.client.zadd(SETS[path], {raw: SCORE + place for place, raw in enumerate(raws, site.client.zcard(path))})


def stored(site, path):
    return site.queue() if path == QUEUE else site.client.zrange(SETS[path], 0, -1)


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("query", ["", "?order=reversed", "?count=100", "?text=Shop", "?class=Shop::Charge"])
async def test_defects_spoil_no_page_and_no_other_row(query, path, pages, site):
    put(site, path, SOUND_RAW)
    (sound,) = rows((await pages.get(path)).text)
    put(site, path, *STORED.values())

    answers = {page: await pages.get(page) for page in ("/", "/queues", "/busy", path, path + query)}
    found = rows(answers[path + query].text)

    assert {answer.status_code for answer in answers.values()} == {200}
    assert sound in found
    assert query.startswith(("?text", "?class")) or len(found) == len(STORED) + 1


@pytest.mark.parametrize("path", LISTS)
async def test_each_defective_job_has_a_page_that_shows_what_can_be_read(path, pages, site):
    put(site, path, *STORED.values())
    page = await pages.get(f"{path}?count=100")

    details = [await pages.get(address) for address in job_links(page.text, path)]
    shown_as = [facts(detail.text) for detail in details]
    found = {shown["Job id"]: shown for shown in shown_as if "Payload as JSON" in shown}

    assert len(details) == len(rows(page.text)) == len(STORED)
    assert {detail.status_code for detail in details} == {200}
    for defect, raw in JOBS.items():
        item = json.loads(raw)
        shown = found[item.get("jid", "")]
        assert ("Arguments" in shown) == ("args" in item), defect
        assert shown.get("Error message") == item.get("error_message"), defect
        assert ("Backtrace" in shown) == (item.get("error_backtrace") == SOUND["error_backtrace"]), defect
        assert shown.get("Tags") == ("vip" if item.get("tags") == ["vip"] else None), defect
        count = item.get("retry_count")
        assert shown.get("Retries so far") == (str(count) if type(count) is int else None), defect
        for name, key in {"Created": "created_at", "First failed": "failed_at", "Last failed": "retried_at"}.items():
            assert (name in shown) == (type(item.get(key)) is float), defect
        payload = json.loads(shown["Payload as JSON"])
        assert payload.items() >= {name: value for name, value in item.items() if name != "error_backtrace"}.items()


@pytest.mark.parametrize("path", LISTS)
async def test_defective_jobs_are_deleted_by_themselves(path, pages, site):
    put(site, path, *STORED.values())
    left = len(STORED)

    while ticked := keys(await pages.get(path))[:1]:
        page = await pages.confirm(path, {"action": "delete", "key": ticked})
        left -= 1
        assert "1 job deleted" in page.text
        assert len(stored(site, path)) == left
        if not left:
            break


async def test_defective_jobs_are_retried_as_any_other_or_stay(pages, site):
    put(site, "/retries", *STORED.values())

    page = await pages.confirm("/retries", {"action": "retry", "all": "1"})

    kept = {
        "failed_at",
        "retried_at",
        "error_class",
        "error_message",
        "error_backtrace",
        "class",
        "args",
        "jid",
        "cattr",
    }
    queued = [json.loads(raw) for raw in site.queue()]
    left = {name for name, raw in STORED.items() if raw in stored(site, "/retries")}
    assert f"{len(queued)} jobs retried. {len(left)} cannot be moved" in page.text
    assert len(queued) + len(left) == len(STORED)
    assert left >= NO_JOBS
    for defect in STORED.keys() - left:
        item = json.loads(STORED[defect])
        assert [{key: each[key] for key in kept & each.keys()} for each in queued].count(
            {key: item[key] for key in kept & item.keys()}
        ), defect
