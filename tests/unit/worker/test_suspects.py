import asyncio

from sidelong.errors import Unavailable
from sidelong.worker import suspects
from sidelong.worker.suspects import Suspects


class Stage:
    """Runs jobs through `admit`, each until it is told to leave."""

    def __init__(self, mark=None):
        self.marked = []
        self.inside = []
        self.suspects = Suspects(mark or self._mark)
        self._leave = {}
        self._tasks = []

    async def _mark(self, jid):
        self.marked.append(jid)

    async def enter(self, jid, crashes):
        leave = self._leave[jid] = asyncio.Event()

        async def run():
            async with self.suspects.admit(jid, crashes):
                self.inside.append(jid)
                await leave.wait()
                self.inside.remove(jid)

        self._tasks.append(asyncio.create_task(run()))
        await self.settle()

    async def leave(self, jid):
        self._leave[jid].set()
        await self.settle()

    async def settle(self):
        for _ in range(10):
            await asyncio.sleep(0)

    async def close(self):
        for event in self._leave.values():
            event.set()
        await asyncio.gather(*self._tasks)


async def test_jobs_with_one_crash_run_beside_each_other():
    stage = Stage()

    await stage.enter("a", 1)
    await stage.enter("b", 1)

    assert stage.inside == ["a", "b"]
    assert stage.marked == []
    await stage.close()


async def test_a_job_with_two_crashes_waits_until_no_other_suspect_runs():
    stage = Stage()
    await stage.enter("a", 1)

    await stage.enter("loner", 2)
    before = list(stage.inside)
    await stage.leave("a")

    assert before == ["a"]
    assert stage.inside == ["loner"]
    assert stage.marked == ["loner"]
    await stage.close()


async def test_nothing_starts_beside_a_job_with_two_crashes():
    stage = Stage()
    await stage.enter("loner", 2)

    await stage.enter("a", 1)
    await stage.enter("other loner", 3)
    before = list(stage.inside)
    await stage.leave("loner")

    assert before == ["loner"]
    assert stage.inside == ["a"]
    await stage.leave("a")
    assert stage.inside == ["other loner"]
    await stage.close()


async def test_one_that_is_cancelled_while_it_waits_leaves_the_way_free():
    stage = Stage()
    await stage.enter("loner", 2)
    waiting = asyncio.create_task(stage.suspects.admit("a", 2).__aenter__())
    await stage.settle()

    waiting.cancel()
    await stage.settle()
    await stage.leave("loner")
    await stage.enter("next", 2)

    assert waiting.cancelled()
    assert stage.inside == ["next"]
    await stage.close()


async def test_an_unmarked_suspect_does_not_start(monkeypatch):
    monkeypatch.setattr(suspects, "_MARK_AGAIN_AFTER", 0)
    answers = [Unavailable("no Redis"), Unavailable("no Redis"), None]
    inside = []

    async def mark(jid):
        inside.append(list(stage.inside))
        if (error := answers.pop(0)) is not None:
            raise error

    stage = Stage(mark)

    await stage.enter("loner", 2)

    assert inside == [[], [], []]
    assert stage.inside == ["loner"]
    await stage.close()


async def test_a_job_that_fails_leaves_the_way_free():
    stage = Stage()

    try:
        async with stage.suspects.admit("loner", 2):
            raise ValueError("no")
    except ValueError:
        pass
    await stage.enter("next", 2)

    assert stage.inside == ["next"]
    await stage.close()
