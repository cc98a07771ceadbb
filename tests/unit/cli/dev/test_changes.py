import asyncio

import pytest

from sidelong.cli.dev.changes import Changes
from sidelong.cli.dev.watched import Watched


@pytest.fixture
async def watch(tmp_path, monkeypatch):
    """Begins to watch a project, whose directory is the current one."""
    monkeypatch.chdir(tmp_path)
    tasks = []

    async def watch(*directories, settings_file=None):
        changes = Changes(Watched(directories or [tmp_path], settings_file))
        tasks.append(asyncio.create_task(changes.watch()))
        await changes.begun.wait()
        return changes

    yield watch
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def seen(changes):
    async with asyncio.timeout(60):
        await changes.wait()
    return changes.take()


async def test_changes_that_matter_are_told_once(watch, tmp_path):
    (tmp_path / ".venv").mkdir()
    changes = await watch()

    (tmp_path / ".venv" / "site.py").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "shop.py").touch()

    assert await seen(changes) == ["shop.py"]
    assert changes.take() == []


async def test_a_file_in_a_new_directory_is_seen(watch, tmp_path):
    changes = await watch()

    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs.py").touch()
    assert await seen(changes) == ["jobs.py"]
    (tmp_path / "jobs" / "mail.py").touch()

    assert await seen(changes) == ["jobs/mail.py"]


async def test_a_settings_file_elsewhere_is_seen_also_where_it_is_replaced(watch, tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "sidelong.toml").touch()
    changes = await watch(tmp_path / "shop", settings_file=tmp_path / "sidelong.toml")

    (tmp_path / "other.py").touch()
    (tmp_path / "new").touch()
    (tmp_path / "new").replace(tmp_path / "sidelong.toml")

    assert await seen(changes) == ["sidelong.toml"]


@pytest.mark.parametrize("error", [OSError("OS file watch limit reached."), RuntimeError("internal")])
async def test_what_cannot_be_watched_is_told(watch, tmp_path, caplog, monkeypatch, error):
    async def refuse(*paths, **options):
        raise error
        yield

    monkeypatch.setattr("watchfiles.awatch", refuse)

    changes = await watch(tmp_path / "src")

    assert caplog.messages == [f"src cannot be watched, so changes there go unseen: {error}"]
    assert changes.take() == []
