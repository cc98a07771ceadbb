"""Tells made-up runs, one event after the other, and keeps the Redis that belongs to them."""

import json
from collections import Counter
from typing import Any, Self

from tests.chaos import events as names
from tests.chaos.checker import Facts, Verdict, check
from tests.chaos.events import words
from tests.support.ledger import Event
from tests.support.redis_state import Entry, State

TTL = 2.0
GRACE = 2.0
FACTS: dict[str, Any] = {
    "lease_ttl": TTL,
    "recovery_grace": GRACE,
    "recovery_interval": 0.5,
    "concurrency": 2,
    "recovers_within": 8.0,
    "kills_at_random": False,
}

RUNNER = 1
PRODUCER = 2
P, Q, R = 11, 12, 13
"""Worker processes."""

_BEAT = 0.5
_TICK = 0.001
_COUNTED = {"done": (1, 0), "called-off": (1, 0), "retry": (1, 1), "dead": (1, 1), "dropped": (1, 1)}


class Story:
    """A run in the making; each event comes a millisecond after the one before.

    Args:
        workers: serve from the start; they beat whenever time passes, unless something keeps them from it.
    """

    def __init__(self, *workers: int) -> None:
        self.events: list[Event] = []
        self.dump: State = {}
        self.counters = Counter[str]()
        self._now = 100.0
        self._living: dict[int, str] = {}
        self._silent: set[int] = set()
        for pid in workers:
            self.life(pid)

    def tell(self, by: int, name: str, jid: str = "", bare: str = "", /, **more: object) -> Self:
        """Add any event; what it tells is made of words, or bare."""
        self._now += _TICK
        self.events.append(Event(int(self._now * 1e9), by, name, jid, bare or words(**more)))
        return self

    def wait(self, seconds: float) -> Self:
        """Let time pass; who can beat does."""
        ends_at = self._now + seconds
        while self._now < ends_at:
            self._now = min(ends_at, self._now + _BEAT)
            for pid, who in self._living.items():
                if pid not in self._silent:
                    self.tell(pid, names.BEAT, who=who)
        return self

    # Jobs.

    def push(self, *jids: str, job: str = "quick", ends: str = "done", acks: int = 1, fails: int = 0) -> Self:
        """Push jobs of one course."""
        for jid in jids:
            self.tell(PRODUCER, names.PUSH, jid, job=job, ends=ends, acks=acks, fails=fails)
            self.tell(PRODUCER, names.PUSHED, jid)
        return self

    def start(self, pid: int, *jids: str, attempt: int = 1) -> Self:
        """Let jobs begin."""
        for jid in jids:
            self.tell(pid, names.START, jid, attempt=attempt)
        return self

    def settle(self, pid: int, jid: str, how: str) -> Self:
        """Settle a job, and count it."""
        processed, failed = _COUNTED.get(how, (0, 0))
        self.counters["processed"] += processed
        self.counters["failed"] += failed
        return self.tell(pid, names.SETTLED, jid, how=how)

    def end(self, pid: int, *jids: str) -> Self:
        """Let jobs come to their end and be settled."""
        for jid in jids:
            self.tell(pid, names.END, jid).settle(pid, jid, "done")
        return self

    def fail(self, pid: int, jid: str, how: str = "retry") -> Self:
        """Let a job be left by an exception and be settled."""
        return self.tell(pid, names.FAIL, jid).settle(pid, jid, how)

    def run(self, pid: int, *jids: str) -> Self:
        """Let jobs run from beginning to end."""
        for jid in jids:
            self.start(pid, jid).end(pid, jid)
        return self

    # Processes.

    def life(self, pid: int, who: str = "") -> Self:
        """Let a process serve under an identity."""
        self._living[pid] = who or identity(pid)
        return self.tell(pid, names.LIFE, who=self._living[pid])

    def kill(self, pid: int) -> Self:
        """Kill a process."""
        del self._living[pid]
        return self.tell(RUNNER, names.KILLED, "", str(pid))

    def stop(self, pid: int) -> Self:
        """Tell a process to stop."""
        return self.tell(RUNNER, names.STOPPING, pid=pid)

    def leave(self, pid: int, status: int = 0) -> Self:
        """Let a process end."""
        del self._living[pid]
        return self.tell(RUNNER, names.EXITED, pid=pid, status=status)

    def silence(self, pid: int, name: str = "") -> Self:
        """Let a process beat no more, because of a fault of that name or for no reason."""
        self._silent.add(pid)
        return self.tell(RUNNER, name, pid=pid) if name else self

    def unsilence(self, pid: int, name: str = "") -> Self:
        """Let it beat again."""
        self._silent.discard(pid)
        return self.tell(RUNNER, name, pid=pid) if name else self

    def recover(self, pid: int, dead: int, *jids: str) -> Self:
        """Let a process declare another dead and give its jobs back."""
        self.tell(pid, names.DECLARED, who=identity(dead))
        for jid in jids:
            self.tell(pid, names.RECOVERED, jid, who=identity(dead), to="queue")
        return self

    # Redis.

    def redis_dies(self, keeps: str) -> Self:
        """Kill Redis."""
        self._silent |= set(self._living)
        return self.tell(RUNNER, names.REDIS_DIED, keeps=keeps)

    def redis_leaves(self) -> Self:
        """Let Redis stand still."""
        self._silent |= set(self._living)
        return self.tell(RUNNER, names.REDIS_DOWN)

    def redis_returns(self) -> Self:
        """Let Redis answer again."""
        self._silent.clear()
        return self.tell(RUNNER, names.REDIS_UP)

    def bury(self, jid: str, **fields: object) -> Self:
        """Put a job into the dead set."""
        entry = self.dump.setdefault("dead", Entry("zset", {}))
        entry.value[json.dumps({"jid": jid, **fields}).encode()] = 1.0
        return self

    def leave_in(self, key: str, jid: str) -> Self:
        """Let a job be in a list when the run is over."""
        self.dump.setdefault(key, Entry("list", [])).value.append(json.dumps({"jid": jid}).encode())
        return self

    # The end.

    def rest(self) -> Self:
        """Come to rest and stop all workers."""
        self.tell(RUNNER, names.QUIET).tell(RUNNER, names.RESTED, after=1.0, left=0)
        for pid in list(self._living):
            self.stop(pid).leave(pid)
        return self

    def verdict(self, **facts: Any) -> Verdict:
        """Judge the run."""
        for counter, count in self.counters.items():
            self.dump.setdefault(f"stat:{counter}", Entry("string", b"%d" % count))
            self.dump.setdefault(f"stat:{counter}:2030-01-01", Entry("string", b"%d" % count, ttl=60.0))
        return check(self.events, self.dump, Facts(**{**FACTS, **facts}))

    def complaints(self, **facts: Any) -> list[str]:
        """Return the violations of the run, each after its invariant, when it has come to rest."""
        verdict = self.rest().verdict(**facts)
        return [f"{violation.invariant}: {violation.text}" for violation in verdict.violations]


def identity(pid: int) -> str:
    """Return the first identity of a process."""
    return f"host:{pid}:{pid:012x}"
