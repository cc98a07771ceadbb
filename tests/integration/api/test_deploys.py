import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sidelong import Sidelong
from sidelong.api import Deploys
from sidelong.api.deploys import last_commit
from tests.integration.worker.site import Site
from tests.support.clocks import ManualClock

AT = datetime(2026, 11, 20, 23, 27, 45, tzinfo=UTC)


@pytest.fixture
async def deploys(app: Sidelong):
    app.store.clock = ManualClock(AT.timestamp() + 60)
    return Deploys(app)


async def test_a_mark_is_stored_as_sidekiq_reads_it(deploys: Deploys, site: Site):
    assert await deploys.mark("abc123 Ship it", at=AT)

    assert site.client.hgetall("20261120-marks") == {b"2026-11-20T23:27:00Z": b"abc123 Ship it"}
    assert 7_775_000 < site.client.ttl("20261120-marks") <= 7_776_000
    assert site.client.get("deploylock-abc123 Ship it") == b"2026-11-20T23:27:00Z"
    assert 0 < site.client.ttl("deploylock-abc123 Ship it") <= 60


async def test_two_marks_in_a_minute_become_one(deploys: Deploys):
    answers = [await deploys.mark(label, at=AT) for label in ("one", "one", "two")]
    # Each server of a fleet marks the same deploy; some do so in the next minute.
    answers.append(await deploys.mark("one", at=AT + timedelta(seconds=20)))

    assert answers == [True, False, False, False]
    assert [(each.at, each.label) for each in await deploys.list()] == [(AT.replace(second=0), "one")]


async def test_lists_the_marks_of_the_last_hours(deploys: Deploys, site: Site):
    for days, label in ((0, "today"), (1, "yesterday"), (89, "long ago"), (91, "forgotten")):
        await deploys.mark(label, at=AT - timedelta(days=days))
    site.client.hset("20261119-marks", mapping={"no time": "x", "2026-11-19T01:00:00Z": b"\xff\x1b"})

    assert [each.label for each in await deploys.list(hours=2)] == ["today"]
    assert [each.label for each in await deploys.list()] == ["long ago", r"�\x1b", "yesterday", "today"]


async def test_a_day_that_cannot_be_read_hides_no_other(deploys: Deploys, site: Site):
    await deploys.mark("today", at=AT)
    site.client.set("20261119-marks", "x", ex=60)

    assert [each.label for each in await deploys.list()] == ["today"]
    site.client.delete("20261119-marks")


@pytest.mark.parametrize("label", ["", " \n"])
async def test_a_label_says_something(deploys: Deploys, label: str):
    with pytest.raises(ValueError, match="label"):
        await deploys.mark(label)


async def test_a_time_says_where(deploys: Deploys):
    with pytest.raises(ValueError, match="time zone"):
        await deploys.mark("x", at=AT.replace(tzinfo=None))


def test_the_label_is_the_last_commit(tmp_path: Path):
    for words in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "Ship it\n\nBecause."],
    ):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)

    commit, _, subject = last_commit(tmp_path).partition(" ")

    assert len(commit) >= 7
    assert subject == "Ship it"


def test_without_a_commit_a_label_is_asked_for(tmp_path: Path):
    with pytest.raises(ValueError, match="label"):
        last_commit(tmp_path)
