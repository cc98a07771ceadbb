"""Hold queues, and empty them."""

from sidelong.api.queues import Queue
from sidelong.web.visit import Visit


async def hold(visit: Visit, name: str, *, is_paused: bool) -> bool:
    """Pause a queue, or end its pause; return whether that changed anything.

    Raises:
        HTTPException: 403 if whoever asks may not.
        StoreError: Redis cannot be reached, or refuses.
    """
    action, target = "pause" if is_paused else "unpause", queue_target(name)
    await visit.require(action, target)
    queue = Queue(visit.site.app, name)
    has_changed = await (queue.pause() if is_paused else queue.unpause())
    visit.record(action, target, "done")
    return has_changed


async def clear(visit: Visit, name: str) -> int:
    """Delete all jobs of a queue, and return how many there were.

    Raises:
        HTTPException: 403 if whoever asks may not.
        StoreError: Redis cannot be reached, or refuses.
    """
    target = queue_target(name)
    await visit.require("clear", target)
    count = await Queue(visit.site.app, name).clear()
    visit.record("clear", target, f"{count} deleted")
    return count


def queue_target(name: str) -> str:
    """Return what `authorize` and the audit log call a queue."""
    return f"queues/{name}"
