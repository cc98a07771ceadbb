"""I7: the jobs of a dead process run elsewhere soon, and those of a living one do not."""

from collections import defaultdict
from itertools import pairwise
from statistics import median

from tests.chaos.events import DECLARED
from tests.chaos.jobs_seen import Job, Mark
from tests.chaos.processes_seen import Process
from tests.chaos.seen import Seen
from tests.chaos.spans import FOREVER, SECOND, Span, has_lasted, nanoseconds
from tests.chaos.verdict import Verdict

_SLACK = 0.3
_BEGINS_ANEW_WITHIN = 8.0
_LEASES_GO = frozenset({"lost-leases", "wrong-type"})
"""Faults that take leases away before their time."""


def check_recovery(seen: Seen, verdict: Verdict) -> None:
    """Measure from each death until its jobs began again."""
    limit = seen.facts.recovers_within
    judged: list[float] = []
    disturbed: list[float] = []
    loners = _loners(seen)
    for pid, restarts in _restarts(seen).items():
        process = seen.processes[pid]
        assert process.killed is not None
        late = []
        for jid, ns, where in restarts:
            seconds = (ns - process.killed) / SECOND
            # Every job with a crash waits while one with two runs in the same worker.
            waits = any(span.overlaps(process.killed, ns) for span in loners[where])
            waits = waits or any(span.overlaps(process.killed, ns) for span in seen.pauses_of(seen.jobs[jid]))
            if waits or _is_loner(seen.jobs[jid], ns) or _is_disturbed(seen, process, ns):
                disturbed.append(seconds)
                continue
            judged.append(seconds)
            if limit is not None and seconds > limit:
                late.append((seconds, jid))
        if late:
            text = f"{len(late)} jobs of {pid}, killed at {seen.at(process.killed)}, began later than {limit:g} s"
            verdict.violate("I7", f"{text}: {seen.jobs[max(late)[1]]} after {max(late)[0]:.1f} s")
    verdict.figures |= {
        "recoveries": len(judged),
        "recovered within": round(max(judged), 3) if judged else "-",
        "median recovery": round(median(judged), 3) if judged else "-",
        "recoveries disturbed": len(disturbed),
        "disturbed recovered within": round(max(disturbed), 3) if disturbed else "-",
    }


def check_wrongful_recovery(seen: Seen, verdict: Verdict) -> None:
    """See that nobody was declared dead who was alive and could be heard."""
    wrongful = starved = 0
    for who, declared in seen.declared.items():
        process = seen.processes.get(seen.owners.get(who, 0))
        if process is not None and _had_left(seen, process, who, declared):
            wrongful += 1
            verdict.violate(
                "I7", f"{declared.pid} declared {who} dead at {seen.at(declared.ns)}, which had left in order"
            )
        if process is None or not _was_alive(process, who, declared):
            continue
        lease_ttl = nanoseconds(seen.facts.lease_ttl)
        if has_lasted(process.faults(), lease_ttl, declared.ns, declared.ns):
            continue
        if has_lasted(seen.starvings(process), lease_ttl, declared.ns, declared.ns):
            starved += 1
            continue
        wrongful += 1
        text = (
            f"{declared.pid} declared {who} dead at {seen.at(declared.ns)}, which process {process.pid} was serving as"
        )
        verdict.violate("I7", text)
    verdict.figures |= {
        "declared dead": seen.counts[DECLARED],
        "wrongful recoveries": wrongful,
        "recoveries of the starved": starved,
    }


def check_patience(seen: Seen, verdict: Verdict) -> None:
    """See that nobody is declared dead before its lease has run out and a grace is over."""
    if seen.redis.is_forgetful or seen.strikes.keys() & _LEASES_GO:
        return
    patience = nanoseconds(seen.facts.lease_ttl + seen.facts.recovery_grace)
    for who, declared in seen.declared.items():
        process = seen.processes.get(seen.owners.get(who, 0))
        beaten = process.last_answered_attempt(declared.ns) if process is not None else None
        # The last beat of a process that was replaced in its identity counts for another one.
        if process is None or beaten is None or who not in process.identities(beaten, beaten):
            continue
        if process.stopping is not None and process.stopping < declared.ns:
            # Who leaves in order takes its lease along.
            continue
        if declared.ns - beaten < patience - nanoseconds(_SLACK):
            waited = (declared.ns - beaten) / SECOND
            verdict.violate("I7", f"{declared.pid} declared {who} dead {waited:.1f} s after its last beat")


def check_new_lives(seen: Seen, verdict: Verdict) -> None:
    """See that who was taken for dead and lives begins anew."""
    for process in seen.processes.values():
        for fenced in process.fenced:
            ends = min(process.ended, seen.ended, FOREVER if process.stopping is None else process.stopping)
            has_begun = any(ns > fenced for ns, _ in process.lives)
            if (
                not has_begun
                and ends - fenced > nanoseconds(_BEGINS_ANEW_WITHIN)
                and not _is_held_up(seen, process, fenced)
            ):
                verdict.violate("I7", f"{process.pid}, fenced at {seen.at(fenced)}, did not begin anew")


def _is_held_up(seen: Seen, process: Process, fenced: int) -> bool:
    until = fenced + nanoseconds(_BEGINS_ANEW_WITHIN)
    return seen.redis.was_away(fenced, until) or any(span.overlaps(fenced, until) for span in process.faults())


def check_resumption(seen: Seen, verdict: Verdict) -> None:
    """See that work went on soon after each election of another master."""
    most = max(seen.resumptions, default=None)
    limit = seen.facts.resumes_within
    if most is not None and most > limit:
        verdict.violate("I7", f"work went on {most:.1f} s after an election, later than {limit:g} s")
    verdict.figures["resumed within"] = "-" if most is None else most


def _restarts(seen: Seen) -> dict[int, list[tuple[str, int, int]]]:
    """Return, by killed process, the jobs that were running in it, when they began again, and in which process."""
    found: defaultdict[int, list[tuple[str, int, int]]] = defaultdict(list)
    for job in seen.jobs.values():
        for run, following in pairwise(job.runs):
            killed = seen.processes[run.pid].killed
            if killed is not None and run.ns <= killed < following.ns and not job.is_over(run):
                found[run.pid].append((job.jid, following.ns, following.pid))
    return found


def _loners(seen: Seen) -> dict[int, list[Span]]:
    """Return, by process, when it ran jobs that had met two deaths: these run alone among those that met any."""
    found: defaultdict[int, list[Span]] = defaultdict(list)
    for job in seen.jobs.values():
        for run in job.runs:
            if _is_loner(job, run.ns):
                over = [mark.ns for mark in (*job.ends, *job.fails) if mark.pid == run.pid and mark.ns >= run.ns]
                found[run.pid].append(Span(run.ns, min([*over, seen.processes[run.pid].ended])))
    return found


def _is_loner(job: Job, restarted: int) -> bool:
    """Tell whether a job had met two deaths, or more: it waits for its turn, as only one such job runs at a time."""
    return sum(mark.ns <= restarted for mark in job.recoveries) > 1


def _is_disturbed(seen: Seen, dead: Process, restarted: int) -> bool:
    """Tell whether something else may have held up a recovery: Redis, the machine, or that nobody was there."""
    assert dead.killed is not None
    facts = seen.facts
    begins = dead.killed - nanoseconds(facts.lease_ttl + facts.recovery_grace)
    if seen.redis.was_away(begins, restarted):
        return True
    others = [process for process in seen.processes.values() if process is not dead]
    if any(span.overlaps(begins, restarted) for process in others for span in _starvings(seen, process)):
        return True
    until = restarted if facts.recovers_within is None else dead.killed + nanoseconds(facts.recovers_within)
    return not any(_watches(process, dead.killed, begins, min(until, restarted)) for process in others)


def _starvings(seen: Seen, process: Process) -> list[Span]:
    """Return the silences of a process that no fault of the plan explains."""
    faults = process.faults()
    return [span for span in seen.starvings(process) if not any(fault.overlaps(*span) for fault in faults)]


def _watches(process: Process, death: int, begins: int, ends: int) -> bool:
    """Tell whether a process served from the death on, untroubled, and could see it through."""
    if not process.lives or process.lives[0][0] > death:
        return False
    leaves = process.ended if process.stopping is None else min(process.ended, process.stopping)
    return leaves >= ends and not any(fault.overlaps(begins, ends) for fault in process.faults())


def _had_left(seen: Seen, process: Process, who: str, declared: Mark) -> bool:
    """Tell whether a process had ended as it should, with nothing in its way, when its identity was declared dead."""
    stopping, exited = process.stopping, process.exited
    if stopping is None or exited is None or process.status or exited > declared.ns or process.identity(exited) != who:
        return False
    if seen.redis.has_forgotten_by(declared.ns) or seen.is_touched(stopping, exited):
        return False
    return not any(span.overlaps(stopping, exited) for span in (*process.faults(), *seen.starvings(process)))


def _was_alive(process: Process, who: str, declared: Mark) -> bool:
    """Tell whether a process lived, under that identity, when it was declared dead."""
    return process.ended > declared.ns and process.identity(declared.ns) == who
