import asyncio
import threading

from sidelong.core.delivery import Delivery
from sidelong.worker import stacks


async def test_follows_a_task_to_where_it_waits():
    async def outermost():
        await middle()

    async def middle():
        await innermost()

    async def innermost():
        await asyncio.Event().wait()

    task = asyncio.create_task(outermost(), name="the task")
    await asyncio.sleep(0)

    text = stacks.dump(asyncio.get_running_loop(), (), ())

    (stack,) = [part for part in text.split("task ") if part.startswith("the task\n")]
    assert stack.index("in outermost") < stack.index("in middle") < stack.index("in innermost")
    task.cancel()


async def test_names_the_jobs_of_tasks_and_threads():
    task = asyncio.create_task(asyncio.Event().wait())
    delivery = Delivery(b"", 0, "default")
    delivery.item = {"class": "Job\x1b", "jid": "j1"}
    delivery.task = task
    thread = threading.current_thread().name

    text = stacks.dump(asyncio.get_running_loop(), [delivery], [f"Sync j2 in thread {thread}"])

    assert f"task {task.get_name()} runs Job\\x1b jid=j1\n" in text
    assert f"thread {thread} runs Sync j2\n" in text
    task.cancel()


def test_shows_threads_where_no_loop_runs():
    text = stacks.dump(None, (), ())

    assert "test_shows_threads_where_no_loop_runs" in text
