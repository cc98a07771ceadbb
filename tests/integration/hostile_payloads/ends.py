"""Where payloads ended, counted so that none is lost, none is doubled, and unknown keys are kept.

A payload that was read may have changed on its way: it got a jid, or a failure was recorded. Its fingerprint is what
never changes; for one that cannot be read that is all its bytes.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Set
from typing import Any

from tests.integration.hostile_payloads.readable import readable, usable_jid

_CHANGING = frozenset(
    {"queue", "at", "enqueued_at", "retry_count", "failed_at", "retried_at", "discarded_at", "crashed_at", "jid"}
    | {"error_message", "error_class", "error_backtrace"}
)
_NAMED = frozenset({"ended", "retry", "dead", "schedule", "stopped", "queue:default"})
_MADE_JID = re.compile("[0-9a-f]{24}")


class Given:
    """The payloads that a test starts with.

    Args:
        raws: all of them.
        may_end: returns where one that can be read may end: a key, `ended`, `stopped` or `dropped`.

    Attributes:
        items: those that can be read, by their bytes.
    """

    def __init__(self, raws: Iterable[bytes], may_end: Callable[[dict[str, Any]], Set[str]]) -> None:
        self.raws = list(raws)
        self.items = {raw: item for raw in self.raws if (item := readable(raw)) is not None}
        self._jids = {usable_jid(item) for item in self.items.values()}
        self._may_end: dict[str, set[str]] = {}
        for item in self.items.values():
            self._may_end.setdefault(self.fingerprint(item), set()).update(may_end(item))

    def fingerprint(self, item: dict[str, Any]) -> str:
        """Return what is the same wherever a job of these has got to."""
        jid = usable_jid(item)
        if jid is not None and jid not in self._jids:
            assert _MADE_JID.fullmatch(jid), f"a jid that nobody gave: {jid[:100]!r}"
            jid = None
        kept = {key: value for key, value in item.items() if key not in _CHANGING}
        return json.dumps([jid, kept])

    def has_made_jid(self, raw: bytes) -> bool:
        """Tell whether these bytes are those of a job that got a jid of its own."""
        return usable_jid(readable(raw) or {}) not in self._jids

    def prints(self) -> Counter[str | bytes]:
        """Return what is to be accounted for."""
        return Counter(self.fingerprint(self.items[raw]) if raw in self.items else raw for raw in self.raws)

    def account_for(self, ends: "Ends") -> Counter[str]:
        """Check that each payload has ended once, where it may end, and return how many ended in which way."""
        left = self.prints()
        figures: Counter[str] = Counter()
        for end, found in ends.everything(self):
            assert left[found] > 0, f"this ended in {end} and was not there, or ended twice: {_short(found)}"
            left[found] -= 1
            if isinstance(found, bytes):
                assert end == "dead", f"this cannot be read and ended in {end}: {_short(found)}"
                figures["dead unread"] += 1
            else:
                self._check(found, end)
                figures[end if end in _NAMED else "in other queues"] += 1
        died = Counter(map(self.fingerprint, ends.died))
        for lost in left.elements():
            # Dropped means told to the death handlers and kept nowhere, because the job says so.
            assert isinstance(lost, str), f"this was lost: {_short(lost)}"
            assert died[lost] > 0, f"this was lost: {_short(lost)}"
            died[lost] -= 1
            self._check(lost, "dropped")
            figures["dropped"] += 1
        assert figures.total() == len(self.raws)
        return figures

    def _check(self, found: str, end: str) -> None:
        may_end = self._may_end[found]
        assert end in may_end, f"this ended in {end[:100]}, and not in {sorted(may_end)}: {_short(found)}"


class Ends:
    """What a run has left.

    Attributes:
        sets: the members of retry, dead and schedule, and what waits in queues, by key.
        ended: jobs that returned, as they saw their payloads.
        stopped: payloads that client middleware did not let pass.
        died: payloads that death handlers were told.
    """

    def __init__(self) -> None:
        self.sets: dict[str, list[bytes]] = {}
        self.ended: list[dict[str, Any]] = []
        self.stopped: list[dict[str, Any]] = []
        self.died: list[dict[str, Any]] = []

    def everything(self, given: Given) -> Iterator[tuple[str, str | bytes]]:
        """Return each payload as its end and its fingerprint."""
        for end, item in self.items():
            if end in ("ended", "retry") and isinstance(item, dict):
                assert usable_jid(item) is not None, f"this ran without a jid: {_short(json.dumps(item))}"
            yield end, item if isinstance(item, bytes) else given.fingerprint(item)

    def items(self) -> Iterator[tuple[str, dict[str, Any] | bytes]]:
        """Return each payload as its end and what it holds; bytes if it cannot be read."""
        for key, raws in self.sets.items():
            for raw in raws:
                item = readable(raw)
                yield key, raw if item is None else item
        for item in self.ended:
            yield "ended", item
        for item in self.stopped:
            yield "stopped", item


def _short(found: str | bytes) -> str:
    return f"{found[:2000]!r}, {len(found)} long"
