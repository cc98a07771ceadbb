"""One queue as it is seen and steered from outside, whoever serves it."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

from sidelong.errors import Refused
from sidelong.store import keys, names
from sidelong.store.answers import about, ask, ask_all
from sidelong.store.link import Link
from sidelong.store.queue_rewrite import MARGIN, QueueRewrite, Rewritten
from sidelong.store.queue_walk import QueueWalk
from sidelong.store.scripts import Script, Scripts
from sidelong.store.wire import Word

_SLACK: Final = 50
"""How far entries may have moved since they were read, and are still found where they lay."""


async def queue_names(link: Link) -> list[str]:
    """Return the names of all queues that were ever pushed to and not cleared since, sorted."""
    return sorted(map(names.read_name, await ask(link, "SMEMBERS", keys.QUEUES)))


class StoredQueue:
    """The list of a queue, its entry in `queues`, and whether it is paused.

    Every method raises `Refused`, with the key in its message, where Redis does not do it, and what `Link.call`
    raises.
    """

    def __init__(self, link: Link, scripts: Scripts, name: str) -> None:
        self._link = link
        self._scripts = scripts
        self._name = names.written(name)
        self._key = names.queue_key(name)
        self._text = name

    async def size(self) -> int:
        """Return how many jobs wait."""
        size: int = await ask(self._link, "LLEN", self._key)
        return size

    async def oldest(self) -> bytes | None:
        """Return the entry that is fetched next."""
        raw: bytes | None = await ask(self._link, "LINDEX", self._key, -1)
        return raw

    async def position(self, raw: bytes) -> int | None:
        """Return how many entries are fetched before this one; None if it is gone. Of equal ones the next counts."""
        length, place = await ask_all(self._link, [("LLEN", self._key), ("LPOS", self._key, raw, "RANK", -1)])
        for answer in (length, place):
            if isinstance(answer, Refused):
                raise answer
        # Between the two commands jobs may have been pushed in front of it.
        return None if place is None else max(0, int(length) - 1 - int(place))

    async def is_paused(self) -> bool:
        """Tell whether it is paused."""
        member: Any = await ask(self._link, "SISMEMBER", keys.PAUSED, self._name)
        return bool(member == 1)

    async def range(self, start: int, count: int, *, oldest_first: bool) -> list[bytes]:
        """Return at most `count` entries from a place on, as they lie at this moment.

        Args:
            start: how many to leave out, from the end at which it begins.
            count: the most entries.
            oldest_first: begin where the next job is fetched; else with the job pushed last.
        """
        first, last = (-start - count, -start - 1) if oldest_first else (start, start + count - 1)
        raws: list[bytes] = await ask(self._link, "LRANGE", self._key, first, last)
        return raws[::-1] if oldest_first else raws

    def walk(self, *, oldest_first: bool = True, has_large_pages: bool = False) -> QueueWalk:
        """Return a way through all entries."""
        return QueueWalk(self._link, self._text, oldest_first=oldest_first, has_large_pages=has_large_pages)

    async def remove(self, raw: bytes) -> bool:
        """Delete one entry by its bytes; False if it is gone, for instance because a worker has it."""
        removed: int = await ask(self._link, "LREM", self._key, -1, raw)
        return removed > 0

    async def swap(self, raw: bytes, new: bytes, queue: str) -> bool:
        """Let another entry enter a queue, this one or another, in the place of one that waits; False if that is gone.

        Args:
            raw: the entry that goes.
            new: the one that is pushed.
            queue: name of the queue that it enters.
        """
        target = names.queue_key(queue)
        key_names, words = (self._key, keys.QUEUES, target), (raw, names.written(queue), new)
        return bool(await self._run(self._scripts.swap, key_names, words, target))

    async def sweep(self, raws: Sequence[bytes], walk: QueueWalk) -> int:
        """Delete entries of the page that a walk has read last, oldest first; return how many were there.

        One by one each would cost a pass over all that waits before it.
        """
        if not raws:
            return 0
        near = max(1, walk.depth - walk.page_size + 1 - _SLACK)
        mark = f"\0deleted {uuid.uuid4().hex}"
        deleted, missing = await self._run(
            self._scripts.sweep, (self._key,), (-walk.depth - _SLACK, -near, mark, *raws), self._key
        )
        if near > 1:
            # Else the search went up to where jobs are fetched, and what was not found there has been.
            for number in missing:
                deleted += await self.remove(raws[number])
        walk.removed(raws)
        return int(deleted)

    async def rewrite(
        self, *, is_meant: Callable[[bytes], bool], tell: Callable[[int], None], margin: int = MARGIN
    ) -> Rewritten | None:
        """Delete the entries that are meant, all in one step that does not grow with the queue; see `QueueRewrite`."""
        rewrite = QueueRewrite(self._link, self._scripts, self._text, is_meant=is_meant, tell=tell, margin=margin)
        return await rewrite.run()

    async def clear(self) -> int:
        """Delete the queue and its name; return how many entries it had."""
        length: int = await self._run(self._scripts.clear, (self._key, keys.QUEUES), (self._name,), self._key)
        return length

    async def set_paused(self, is_paused: bool) -> bool:
        """Pause it or end its pause; return whether that changed something."""
        command = "SADD" if is_paused else "SREM"
        changed: int = await self._run(self._scripts.pause, (keys.PAUSED,), (command, self._name), keys.PAUSED)
        return changed > 0

    async def _run(self, script: Script, key_names: Sequence[Word], args: Sequence[Word], key: Word) -> Any:
        try:
            return await script.run(self._link, key_names, args)
        except Refused as error:
            raise about(error, key) from None
