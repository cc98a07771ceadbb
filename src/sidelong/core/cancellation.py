"""Tell a cancellation of our own from one that other people's code has made up or let out."""

import asyncio


def is_of_this_task(error: BaseException) -> bool:
    """Tell whether `error` cancels the running task: it must go on its way, where all else stays with its cause."""
    if not isinstance(error, asyncio.CancelledError):
        return False
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
