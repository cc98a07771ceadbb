"""What the ledger tells of each worker process."""

from bisect import bisect_left
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from tests.chaos.spans import FOREVER, Span, merged


class Sample(NamedTuple):
    """What a process used at one instant."""

    ns: int
    rss: int
    fds: int
    log: int
    cpu: float = 0.0


@dataclass(slots=True)
class Process:
    """One process, with its events in order.

    Attributes:
        born: when it was seen first.
        lives: its identities, each with the instant from which it had it.
        beats: when its heartbeats were answered.
        attempts: when it was about to send one.
        ticks: when a thread of it got to run.
        fenced: when it learned that others took it for dead.
        stopping: when it was told to stop.
        killed: when it died of SIGKILL.
        exited: when it ended otherwise.
        status: what it returned then.
        frozen: when it was stopped in its tracks.
        cut_off: when its link to Redis was silent.
        samples: what it used.
    """

    pid: int
    born: int
    lives: list[tuple[int, str]] = field(default_factory=list)
    beats: list[int] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    ticks: list[int] = field(default_factory=list)
    fenced: list[int] = field(default_factory=list)
    stopping: int | None = None
    killed: int | None = None
    exited: int | None = None
    status: int = 0
    frozen: list[Span] = field(default_factory=list)
    cut_off: list[Span] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    @property
    def ended(self) -> int:
        """When it was gone, in whatever way."""
        return min(FOREVER if end is None else end for end in (self.killed, self.exited))

    def stills(self) -> list[Span]:
        """Return when it was frozen, up to its end."""
        return self._lived(self.frozen)

    def faults(self) -> list[Span]:
        """Return when it was frozen or cut off, up to its end."""
        return self._lived([*self.frozen, *self.cut_off])

    def identities(self, begins: int, ends: int) -> list[str]:
        """Return the identities that it had at any time between two instants."""
        changes = [*(ns for ns, _ in self.lives[1:]), FOREVER]
        return [who for (ns, who), until in zip(self.lives, changes, strict=False) if ns <= ends and until > begins]

    def identity(self, ns: int) -> str:
        """Return the identity that it had at an instant; one made up if it had none."""
        had = self.identities(ns, ns)
        return had[-1] if had else f"pid {self.pid}"

    def silences(self, longer_than: int, until: int) -> list[Span]:
        """Return the gaps between its heartbeats, and from the last one to its end or to `until`."""
        signs = [*self.beats, min(self.ended, until)] if self.beats else []
        return [Span(before, after) for before, after in pairwise(signs) if after - before > longer_than]

    def last_answered_attempt(self, before: int) -> int | None:
        """Return when it sent the last heartbeat, of those sent before an instant, that was answered."""
        for at in range(bisect_left(self.attempts, before) - 1, -1, -1):
            following = self.attempts[at + 1] if at + 1 < len(self.attempts) else FOREVER
            beat = bisect_left(self.beats, self.attempts[at])
            if beat < len(self.beats) and self.beats[beat] < following:
                return self.attempts[at]
        return None

    def has_sent(self, silence: Span) -> bool:
        """Tell whether it sent a beat in a silence."""
        first = bisect_left(self.attempts, silence.begins + 1)
        return first < len(self.attempts) and self.attempts[first] < silence.ends

    def got_no_time(self, silence: Span) -> bool:
        """Tell whether it did not get to run for half of a silence."""
        at = bisect_left(self.ticks, silence.begins)
        signs = [silence.begins, *self.ticks[at : bisect_left(self.ticks, silence.ends)], silence.ends]
        return max(after - before for before, after in pairwise(signs)) > (silence.ends - silence.begins) // 2

    def _lived(self, spans: list[Span]) -> list[Span]:
        return merged(Span(span.begins, min(span.ends, self.ended)) for span in spans)
