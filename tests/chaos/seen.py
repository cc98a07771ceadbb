"""The ledger and the final dump, read once, by job and by process."""

import json
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos import events as names
from tests.chaos.events import told
from tests.chaos.facts import Facts
from tests.chaos.jobs_seen import CallOff, Job, Mark, Run
from tests.chaos.processes_seen import Process, Sample
from tests.chaos.redis_seen import Death, Redis
from tests.chaos.spans import FOREVER, SECOND, Span, end_last, merged, nanoseconds
from tests.chaos.steps_seen import note_step
from tests.support.ledger import Event
from tests.support.redis_state import State, places

_POISON = "sidelong.PoisonPill"
_TOUCHING = frozenset(
    {
        *("cut", "reset", "blackhole", "strand", "latency", "bandwidth", "forget"),
        *("lost-push", "lost-settle", "lost-take", "lost-leases", "wrong-type", "wrong-set"),
        *("client-kill", "client-pause", "client-unblock", "oom", "noreplicas", "failover"),
        *("redis-freeze", "redis-restart", "redis-outage", "redis-kill"),
    }
)
"""Faults that touch connections, or what Redis answers."""
_AFTERMATH = 2 * SECOND
"""So long after such a fault a worker may still wait for its connections."""
_TOLD_LATE = SECOND // 5
"""Who moves a job tells of it when Redis has answered; another one may begin it a moment before."""


@dataclass(slots=True)
class Seen:
    """All that the checks ask.

    Attributes:
        facts: what the plan says.
        dump: what Redis held at the end.
        began: the first instant.
        ended: the last one.
        jobs: by jid.
        processes: the workers, by number.
        redis: its troubles.
        owners: identity to the number of the process that had it.
        declared: identity to the first time that it was declared dead, and by which process.
        given_up: identity to the first time that it was declared dead or that a job was taken out of its list.
        nemeses: how often each began.
        strikes: when each struck.
        counts: how often each event was told.
        cuts: how many connections were cut.
        cut_at: when that was told.
        malformed: marks of the payloads that are no jobs.
        pauses: queue to the times when it was paused.
        resumptions: seconds from each election until pushes returned and jobs began.
        quiet: when all faults were healed.
        rested: words of the end of the run; None if it never came.
        rested_at: when it came.
        overlapping: jids that began while an earlier run of theirs went on in a living process.
        places: jid to the keys that hold it at the end.
        dead: jid to its payload in the dead set.
    """

    facts: Facts
    dump: State
    began: int = 0
    ended: int = 0
    jobs: dict[str, Job] = field(default_factory=dict)
    processes: dict[int, Process] = field(default_factory=dict)
    redis: Redis = field(default_factory=Redis)
    owners: dict[str, int] = field(default_factory=dict)
    declared: dict[str, Mark] = field(default_factory=dict)
    given_up: dict[str, int] = field(default_factory=dict)
    nemeses: Counter[str] = field(default_factory=Counter)
    strikes: dict[str, list[Span]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    cuts: int = 0
    cut_at: list[int] = field(default_factory=list)
    malformed: set[str] = field(default_factory=set)
    pauses: dict[str, list[Span]] = field(default_factory=dict)
    resumptions: list[float] = field(default_factory=list)
    quiet: int | None = None
    rested: dict[str, str] | None = None
    rested_at: int = FOREVER
    overlapping: set[str] = field(default_factory=set)
    places: dict[str, list[str]] = field(default_factory=dict)
    dead: dict[str, dict[str, Any]] = field(default_factory=dict)
    _silences: dict[int, list[Span]] = field(default_factory=dict)
    _touched: list[Span] | None = None

    def at(self, ns: int) -> str:
        """Return an instant as a reader wants it."""
        return f"{(ns - self.began) / SECOND:.3f} s"

    def counts_as_pushed(self, job: Job) -> bool:
        """Tell whether a job is in Redis, or was: its push returned, or it turned up afterwards."""
        if not job.pushes:
            return False
        return job.has_been_pushed or bool(job.runs) or job.jid in self.places

    def is_poisoned(self, jid: str) -> bool:
        """Tell whether a job is dead because processes died under it."""
        return self.dead.get(jid, {}).get("error_class") == _POISON

    def is_set_aside(self, job: Job) -> bool:
        """Tell whether a due job is dead because its queue had the wrong type when it was to be put there."""
        if not self.strikes.keys() & {"wrong-type"} or job.jid not in self.dead:
            return False
        return not any(mark.word in ("dead", "bury") for mark in job.settles)

    def pauses_of(self, job: Job) -> list[Span]:
        """Return when the queue of a job was paused."""
        return self.pauses.get(job.course.get("queue", ""), [])

    def starvings(self, process: Process) -> list[Span]:
        """Return when a process was not heard of for longer than a lease although Redis was there.

        While Redis is away nobody is heard of: that is no excuse for one of them. Nor is a heartbeat that stopped, or
        was not answered, in a process that got to run, while all others were heard of in time.
        """
        if process.pid not in self._silences:
            silences = process.silences(nanoseconds(self.facts.lease_ttl), self.ended)
            self._silences[process.pid] = [
                span for span in silences if not self.redis.was_away(*span) and self._is_starved(process, span)
            ]
        return self._silences[process.pid]

    def _is_starved(self, process: Process, silence: Span) -> bool:
        if process.got_no_time(silence):
            return True
        late = nanoseconds(self.facts.lease_ttl / 2)
        return process.has_sent(silence) and any(
            gap.overlaps(*silence) and not any(fault.overlaps(*gap) for fault in other.faults())
            for other in self.processes.values()
            if other is not process
            for gap in other.silences(late, self.ended)
        )

    def has_given_up(self, who: str, ns: int) -> bool:
        """Tell whether an identity had been given up at an instant, or just afterwards."""
        return self.given_up.get(who, FOREVER) <= ns + _TOLD_LATE

    def is_touched(self, begins: int, ends: int) -> bool:
        """Tell whether a fault of the plan may have touched connections between two instants."""
        if self._touched is None:
            strikes = [span for name in self.strikes.keys() & _TOUCHING for span in self.strikes[name]]
            self._touched = merged([*strikes, *(Span(ns, ns) for ns in self.cut_at), *self.redis.away])
        at = bisect_left(self._touched, begins - _AFTERMATH, key=lambda span: span.ends)
        return at < len(self._touched) and self._touched[at].begins <= ends

    @property
    def is_untroubled(self) -> bool:
        """True if no connection was touched in the whole run, and no process held up or killed."""
        return not self.is_touched(self.began, self.ended) and not any(
            process.killed is not None or process.faults() or self.starvings(process)
            for process in self.processes.values()
        )


def look(events: Sequence[Event], dump: State, facts: Facts) -> Seen:
    """Read everything once."""
    seen = Seen(facts, dump)
    _Reader(seen).read(sorted(events, key=lambda event: event.ns))
    seen.places = places(dump)
    seen.dead = _dead(dump)
    return seen


def _dead(dump: State) -> dict[str, dict[str, Any]]:
    found = {}
    entry = dump.get("dead")
    for raw in entry.value if entry is not None and entry.type == "zset" else ():
        try:
            item = json.loads(raw)
        except (ValueError, RecursionError):
            continue
        if isinstance(item, dict) and isinstance(item.get("jid"), str):
            found[item["jid"]] = item
    return found


class _Reader:
    """Sorts events to the jobs and processes that they concern; each name has a method of its own."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._running: defaultdict[str, list[int]] = defaultdict(list)
        self._gone: set[int] = set()
        self._handlers: dict[str, Callable[[Event], None]] = {
            **dict.fromkeys((names.PUSH, names.PUSHED, names.UNSURE, names.REFUSED), self._push),
            names.START: self._start,
            names.END: self._end,
            names.FAIL: self._fail,
            names.SETTLED: self._settled,
            names.LOST: self._lost,
            names.RECOVERED: self._recovered,
            names.CALLING_OFF: lambda event: self._job(event).calls_off.append(CallOff(event.ns)),
            names.CALLED_OFF: self._called_off,
            names.PAUSED: self._paused,
            names.HELD: self._held,
            names.UNPAUSING: self._unpausing,
            **dict.fromkeys((names.ASKING, names.STEP, names.STEPPED), self._step),
            names.ORPHAN: lambda event: self._job(event).orphans.append(Mark(event.ns, event.pid)),
            names.LIFE: self._life,
            names.BEAT: self._beat,
            names.BEATING: lambda event: self._process(event.pid, event.ns).attempts.append(event.ns),
            names.TICK: lambda event: self._process(event.pid, event.ns).ticks.append(event.ns),
            names.FENCED: lambda event: self._process(event.pid, event.ns).fenced.append(event.ns),
            names.DECLARED: self._declared,
            names.STOPPING: self._stopping,
            names.KILLED: self._killed,
            names.EXITED: self._exited,
            names.FROZEN: self._frozen,
            names.THAWED: self._thawed,
            names.CUT_OFF: self._cut_off,
            names.REJOINED: self._rejoined,
            names.SAMPLE: self._sample,
            names.REDIS_DIED: self._redis_died,
            names.REDIS_DOWN: lambda event: self._seen.redis.leaves(event.ns),
            names.REDIS_UP: lambda event: self._seen.redis.returns(event.ns),
            names.NEMESIS: self._nemesis,
            names.CUT: self._cut,
            names.MALFORMED: lambda event: self._seen.malformed.add(told(event.extra)["mark"]),
            names.RESUMED: self._resumed,
            names.QUIET: self._quiet,
            names.RESTED: self._rested,
        }

    def read(self, events: Sequence[Event]) -> None:
        if events:
            self._seen.began, self._seen.ended = events[0].ns, events[-1].ns
        for event in events:
            self._seen.counts[event.name] += 1
            handler = self._handlers.get(event.name)
            if handler is not None:
                handler(event)

    # Jobs.

    def _job(self, event: Event) -> Job:
        job = self._seen.jobs.get(event.jid)
        if job is None:
            job = self._seen.jobs[event.jid] = Job(event.jid)
        return job

    def _push(self, event: Event) -> None:
        if not event.jid:
            # A whole bulk was refused, none of which had a jid yet.
            return
        job = self._job(event)
        job.pushes.append(Mark(event.ns, event.pid, event.name))
        if not job.course:
            job.course = told(event.extra)

    def _start(self, event: Event) -> None:
        self._job(event).runs.append(Run(event.ns, event.pid, told(event.extra).get("attempt", "1")))
        running = self._running[event.jid]
        if any(pid not in self._gone for pid in running):
            self._seen.overlapping.add(event.jid)
        running.append(event.pid)
        self._process(event.pid, event.ns)

    def _end(self, event: Event) -> None:
        self._job(event).ends.append(Mark(event.ns, event.pid))
        self._stops_running(event)

    def _fail(self, event: Event) -> None:
        self._job(event).fails.append(Mark(event.ns, event.pid))
        self._stops_running(event)

    def _stops_running(self, event: Event) -> None:
        if event.pid in self._running[event.jid]:
            self._running[event.jid].remove(event.pid)

    def _settled(self, event: Event) -> None:
        self._job(event).settles.append(Mark(event.ns, event.pid, told(event.extra).get("how", "")))

    def _lost(self, event: Event) -> None:
        self._job(event).losts.append(Mark(event.ns, event.pid))

    def _recovered(self, event: Event) -> None:
        who = told(event.extra).get("who", "")
        self._job(event).recoveries.append(Mark(event.ns, event.pid, who))
        self._seen.given_up.setdefault(who, event.ns)

    def _called_off(self, event: Event) -> None:
        calls, said = self._job(event).calls_off, told(event.extra)
        calls[-1] = CallOff(calls[-1].asked, event.ns, said["how"], said.get("where", ""))

    def _held(self, event: Event) -> None:
        self._job(event).holds.append(Mark(event.ns, event.pid, told(event.extra)["queue"]))

    def _step(self, event: Event) -> None:
        note_step(self._job(event).steps, event)

    # Processes.

    def _process(self, pid: int, ns: int) -> Process:
        process = self._seen.processes.get(pid)
        if process is None:
            process = self._seen.processes[pid] = Process(pid, ns)
        return process

    def _concerned(self, event: Event) -> Process:
        return self._process(int(told(event.extra).get("pid") or event.extra), event.ns)

    def _life(self, event: Event) -> None:
        who = told(event.extra)["who"]
        process = self._process(event.pid, event.ns)
        process.lives.append((event.ns, who))
        process.beats.append(event.ns)
        self._seen.owners[who] = event.pid

    def _beat(self, event: Event) -> None:
        self._process(event.pid, event.ns).beats.append(event.ns)

    def _declared(self, event: Event) -> None:
        who = told(event.extra)["who"]
        self._seen.declared.setdefault(who, Mark(event.ns, event.pid))
        self._seen.given_up.setdefault(who, event.ns)

    def _stopping(self, event: Event) -> None:
        process = self._concerned(event)
        process.stopping = event.ns if process.stopping is None else process.stopping

    def _killed(self, event: Event) -> None:
        process = self._concerned(event)
        process.killed = event.ns
        self._gone.add(process.pid)

    def _exited(self, event: Event) -> None:
        process = self._concerned(event)
        process.exited = event.ns
        process.status = int(told(event.extra).get("status", 0))
        self._gone.add(process.pid)

    def _frozen(self, event: Event) -> None:
        self._concerned(event).frozen.append(Span(event.ns, FOREVER))

    def _thawed(self, event: Event) -> None:
        end_last(self._concerned(event).frozen, event.ns)

    def _cut_off(self, event: Event) -> None:
        self._concerned(event).cut_off.append(Span(event.ns, FOREVER))

    def _rejoined(self, event: Event) -> None:
        end_last(self._concerned(event).cut_off, event.ns)

    def _sample(self, event: Event) -> None:
        used = told(event.extra)
        self._concerned(event).samples.append(
            Sample(
                event.ns,
                int(used.get("rss", 0)),
                int(used.get("fds", 0)),
                int(used.get("log", 0)),
                float(used.get("cpu", 0.0)),
            )
        )

    # The run.

    def _redis_died(self, event: Event) -> None:
        redis = self._seen.redis
        redis.deaths.append(Death(event.ns, told(event.extra).get("keeps", "all"), FOREVER))
        redis.leaves(event.ns)

    def _paused(self, event: Event) -> None:
        self._seen.pauses.setdefault(told(event.extra)["queue"], []).append(Span(event.ns, FOREVER))

    def _unpausing(self, event: Event) -> None:
        end_last(self._seen.pauses.get(told(event.extra)["queue"], []), event.ns)

    def _nemesis(self, event: Event) -> None:
        said = told(event.extra)
        spans = self._seen.strikes.setdefault(said["name"], [])
        if said["is"] == "begin":
            self._seen.nemeses[said["name"]] += 1
            spans.append(Span(event.ns, FOREVER))
        else:
            end_last(spans, event.ns)

    def _cut(self, event: Event) -> None:
        self._seen.cuts += int(told(event.extra)["count"])
        self._seen.cut_at.append(event.ns)

    def _resumed(self, event: Event) -> None:
        said = told(event.extra)
        self._seen.resumptions.append(max(float(said["pushed"]), float(said["begun"])))

    def _quiet(self, event: Event) -> None:
        self._seen.quiet = event.ns

    def _rested(self, event: Event) -> None:
        self._seen.rested = told(event.extra)
        self._seen.rested_at = event.ns
