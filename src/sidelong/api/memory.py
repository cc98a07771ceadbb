"""How much memory Redis has left: at its limit it takes no more jobs."""

from sidelong.app import Sidelong
from sidelong.store.memory import Memory, read_memory


async def redis_memory(app: Sidelong) -> Memory:
    """Return how much memory Redis has taken, and how much it may take.

    Redis: INFO, O(1).

    Raises:
        StoreError: Redis cannot be reached, or its user may not ask.
    """
    return await read_memory(app.store.admin)
