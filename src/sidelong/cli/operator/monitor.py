"""`sidelong monitor`: one look for whoever raises alarms."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from sidelong.api import ProcessSet, Stats
from sidelong.api.memory import redis_memory
from sidelong.app import Sidelong
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.operator.output import Output
from sidelong.cli.operator.unknown_queues import unknown_queues
from sidelong.core.counted import counted
from sidelong.core.display import shown
from sidelong.core.spans import span
from sidelong.errors import Refused


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it should be.

    Attributes:
        check: what was looked at.
        sentence: what is wrong, in one line.
        value: what was measured.
        limit: what was allowed.
        queue: the queue it is about.
    """

    check: str
    sentence: str
    value: float | None = None
    limit: float | None = None
    queue: str | None = None


@dataclass(frozen=True)
class MonitorCommand:
    """What the command line asks for; a limit that is None is not looked at.

    Attributes:
        processes: how many processes that fetch jobs there must be.
        latency: seconds for which the next job of a queue may have waited.
        queues: whose latency is meant; of all if empty.
        retries: how many jobs may wait for another attempt.
        dead: how many jobs may be dead.
        memory: how much of its memory Redis may have taken, in percent.
        as_json: whether a program reads it.
    """

    processes: int
    latency: float | None
    queues: Sequence[str]
    retries: int | None
    dead: int | None
    memory: float | None
    as_json: bool

    async def __call__(self, app: Sidelong, output: Output) -> ExitStatus:
        """Print each problem on a line; the status is 1 if there is one."""
        problems = [problem async for problem in self._problems(app)]
        if self.as_json:
            output.document({"ok": not problems, "problems": [_plain(problem) for problem in problems]})
        else:
            for problem in problems:
                output.line(problem.sentence)
            if not problems:
                output.line("ok")
        return ExitStatus.FAILED if problems else ExitStatus.DONE

    async def _problems(self, app: Sidelong) -> AsyncIterator[Problem]:
        figures = await Stats(app).fetch(slow=False)
        for error in figures.errors:
            yield Problem("keys", f"a key cannot be read: {shown(error)}")
        async for problem in self._few_processes(app):
            yield problem
        async for problem in self._of_queues(app):
            yield problem
        if self.retries is not None and figures.retry_size > self.retries:
            count = counted(figures.retry_size, "job")
            yield Problem(
                "retries",
                f"waiting for another attempt: {count}, more than {self.retries}",
                figures.retry_size,
                self.retries,
            )
        if self.dead is not None and figures.dead_size > self.dead:
            count = counted(figures.dead_size, "job")
            yield Problem("dead", f"dead: {count}, more than {self.dead}", figures.dead_size, self.dead)
        if self.memory is not None:
            async for problem in _little_memory(app, self.memory):
                yield problem

    async def _few_processes(self, app: Sidelong) -> AsyncIterator[Problem]:
        if not self.processes:
            return
        living = [process async for process in ProcessSet(app)]
        serving = sum(not process.is_quiet for process in living)
        if serving < self.processes:
            quiet = f", and {counted(len(living) - serving, 'quiet one')}" if len(living) > serving else ""
            few = "no worker process fetches jobs" if not serving else f"only {serving} worker processes fetch jobs"
            if serving == 1:
                few = "only 1 worker process fetches jobs"
            yield Problem("processes", f"{few}{quiet}", serving, self.processes)

    async def _of_queues(self, app: Sidelong) -> AsyncIterator[Problem]:
        try:
            summaries = await Stats(app).queue_summaries()
        except Refused as error:
            yield Problem("keys", f"it cannot be read which queues there are: {shown(str(error))}")
            return
        for fault in dict.fromkeys(queue.pause_error for queue in summaries if queue.pause_error is not None):
            yield Problem("keys", f"it cannot be read which queues are paused: {shown(fault)}")
        for name, alike in await unknown_queues(app, self.queues, [queue.name for queue in summaries]):
            yield Problem("queues", f"there is no queue {shown(name)!r}{alike}", queue=name)
        for queue in summaries:
            if self.queues and queue.name not in self.queues:
                continue
            if queue.error is not None:
                yield Problem("keys", f"the queue {shown(queue.name)} cannot be read: {shown(queue.error)}")
            elif self.latency is not None and queue.latency > self.latency:
                limit = self.latency
                paused = "; it is paused" if queue.is_paused else ""
                waits = f"the next job has waited for {span(queue.latency)}, more than {span(limit)}{paused}"
                yield Problem("latency", f"queue {shown(queue.name)}: {waits}", queue.latency, limit, queue.name)


async def _little_memory(app: Sidelong, percent: float) -> AsyncIterator[Problem]:
    try:
        memory = await redis_memory(app)
    except Refused as error:
        yield Problem("memory", f"the memory of Redis cannot be read: {shown(str(error))}", limit=percent)
        return
    if not memory.limit:
        yield Problem("memory", "Redis does not tell how much memory it may take: set maxmemory", limit=percent)
        return
    used = 100 * memory.used / memory.limit
    if used > percent:
        yield Problem("memory", f"Redis has taken {used:.1f} % of its memory, more than {percent:g} %", used, percent)


def _plain(problem: Problem) -> dict[str, Any]:
    return {
        "check": problem.check,
        "queue": problem.queue,
        "value": problem.value,
        "limit": problem.limit,
        "message": problem.sentence,
    }
