"""Where everything stands at this moment: the stacks of all tasks and threads, with the jobs that run in them."""

import asyncio
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

from sidelong.core import payload
from sidelong.core.delivery import Delivery
from sidelong.core.display import shown


def dump(loop: asyncio.AbstractEventLoop | None, running: Sequence[Delivery], in_threads: Sequence[str]) -> str:
    """Return the stacks as text.

    Args:
        loop: the event loop whose tasks are shown.
        running: the deliveries that are being executed.
        in_threads: as `JobThreads.running` returns them.
    """
    tasks = asyncio.all_tasks(loop) if loop is not None else ()
    return "\n".join((*_task_stacks(tasks, running), *_thread_stacks(in_threads)))


def _task_stacks(
    tasks: "Sequence[asyncio.Task[Any]] | set[asyncio.Task[Any]]", running: Sequence[Delivery]
) -> Iterator[str]:
    jobs = {delivery.task: delivery for delivery in running}
    for task in tasks:
        delivery = jobs.get(task)
        title = f"task {task.get_name()}"
        if delivery is not None and delivery.item is not None:
            title += f" runs {shown(payload.job_class(delivery.item))} jid={shown(delivery.item.get('jid'))}"
        lines = [line for frame in _frames(task) for line in traceback.format_stack(frame, limit=1)]
        yield f"{title}\n{''.join(lines)}"


def _frames(task: "asyncio.Task[Any]") -> Iterator[FrameType]:
    """Follow what awaits what: of a suspended task, `get_stack` shows the outermost coroutine only."""
    awaited: Any = task.get_coro()
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None:
            yield frame
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)


def _thread_stacks(in_threads: Sequence[str]) -> Iterator[str]:
    jobs = {thread: name for name, _, thread in (entry.rpartition(" in thread ") for entry in in_threads)}
    stacks = sys._current_frames()
    for thread in threading.enumerate():
        frame = stacks.get(thread.ident or 0)
        title = f"thread {thread.name}"
        if thread.name in jobs:
            title += f" runs {shown(jobs[thread.name])}"
        yield f"{title}\n{''.join(traceback.format_stack(frame)) if frame else ''}"
