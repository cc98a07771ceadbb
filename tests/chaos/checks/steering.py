"""What an operator was told holds: what is called off does not begin again, and a paused queue is left alone."""

from collections import Counter
from collections.abc import Iterator

from tests.chaos.events import PUSHED
from tests.chaos.excuses import STOPPED, excuse
from tests.chaos.jobs_seen import CallOff, Job, Run
from tests.chaos.seen import Seen
from tests.chaos.spans import SECOND, Span, has_lasted, nanoseconds
from tests.chaos.verdict import Verdict

_KNOWN_WITHIN = 2 * SECOND
"""So long after a pause all workers must know of it."""
_TRIES_AGAIN = frozenset({"retry", "dead", "bury"})
_OUTCOMES = ("removed", "cancelled", "told", "not_found", "unanswered", "unknown")


def check_calls_off(seen: Seen, verdict: Verdict) -> None:
    """See that no job begins, or is kept to begin, after somebody was told that it would not."""
    outcomes = Counter(call.how for job in seen.jobs.values() for call in job.calls_off)
    again = 0
    for job in seen.jobs.values():
        for call in job.calls_off:
            if call.how == "not_found":
                _check_not_found(seen, job, call, verdict)
        call = job.called_off
        if call is None:
            continue
        call = _once_settled(seen, job, call)
        following = _following(seen, job, call)
        if following is None:
            _check_left(seen, job, call, verdict)
            continue
        again += 1
        if not _may_begin_again(seen, job, call, following):
            verdict.violate("cancel", f"{_story(seen, job, call)}, and began {_began(seen, following)}")
    verdict.figures |= {f"called off: {how}": outcomes[how] for how in _OUTCOMES}
    verdict.figures["called off in vain"] = again


def _once_settled(seen: Seen, job: Job, call: CallOff) -> CallOff:
    """Return it as of when the run was settled as called off: the answer may come after the next run has begun."""
    holder = seen.owners.get(call.where)
    settled = (mark.ns for mark in job.settles if mark.word == "called-off" and mark.pid == holder)
    return call._replace(ns=min((ns for ns in settled if call.asked < ns), default=call.ns))


def _following(seen: Seen, job: Job, call: CallOff) -> Run | None:
    """Return the first run that began after the answer."""
    runs = [run for run in job.runs if run.ns > call.ns]
    holder = seen.owners.get(call.where)
    had_begun = any(run.pid == holder and run.ns <= call.ns for run in job.runs)
    if call.how == "told" and runs and runs[0].pid == holder and not had_begun:
        # Its thread was on its way.
        del runs[0]
    return runs[0] if runs else None


def _may_begin_again(seen: Seen, job: Job, call: CallOff, following: Run) -> bool:
    """Tell whether something has undone it: a death, or a fault that looks like one to others, or Redis."""
    if seen.redis.may_have_undone(call.ns):
        return True
    process = seen.processes[following.pid]
    if seen.has_given_up(process.identity(following.ns), following.ns) and has_lasted(
        [*process.faults(), *seen.starvings(process)], nanoseconds(seen.facts.lease_ttl), 0, following.ns
    ):
        # Others have given up the one that runs it, and it does not know.
        return True
    holder = seen.owners.get(call.where)
    if holder is None:
        return False
    run = job.run_of(holder, call.ns)
    if run is not None:
        # A stop is none: it does not hand back what was called off.
        return excuse(seen, job, run, following) not in (None, STOPPED)
    return seen.has_given_up(call.where, following.ns)


def _check_left(seen: Seen, job: Job, call: CallOff, verdict: Verdict) -> None:
    """See that it stands nowhere, and was not settled in order to be run again."""
    if seen.redis.may_have_undone(call.ns) or seen.is_poisoned(job.jid) or seen.is_set_aside(job):
        return
    if places := seen.places.get(job.jid):
        verdict.violate("cancel", f"{_story(seen, job, call)}, and stands in {', '.join(places)}")
    holder = seen.owners.get(call.where)
    for mark in job.settles:
        if mark.pid == holder and mark.ns > call.ns and mark.word in _TRIES_AGAIN:
            verdict.violate("cancel", f"{_story(seen, job, call)}, and settled as {mark.word} at {seen.at(mark.ns)}")


def _check_not_found(seen: Seen, job: Job, call: CallOff, verdict: Verdict) -> None:
    """See that a job that was not to be found was over, or had not been pushed for sure."""
    is_there = any(mark.ns < call.asked for mark in job.pushes if mark.word == PUSHED)
    following = next((run for run in job.runs if run.ns > call.ns), None)
    if not is_there or following is None or seen.redis.has_forgotten_by(following.ns):
        return
    if any(mark.ns < following.ns for mark in (*job.ends, *job.recoveries)):
        # It was over, and then found in the hands of one that had died: nobody knew.
        return
    verdict.violate("cancel", f"{_story(seen, job, call)}, and began {_began(seen, following)}")


def _story(seen: Seen, job: Job, call: CallOff) -> str:
    return f"{job} was called off at {seen.at(call.asked)}, {call.how} ({call.where}) by {seen.at(call.ns)}"


def _began(seen: Seen, run: Run) -> str:
    return f"in {run.pid} at {seen.at(run.ns)}"


def check_pauses(seen: Seen, verdict: Verdict) -> None:
    """See that what waits in a paused queue, once all workers have to know of it, does not begin before its end."""
    held = 0
    for job in seen.jobs.values():
        for since, pause in _holds(seen, job):
            held += 1
            for run in job.runs:
                if since < run.ns < pause.ends and not _may_not_know(seen, run, pause.begins):
                    text = f"{job} began {_began(seen, run)}, and its queue was paused at {seen.at(pause.begins)}"
                    verdict.violate("pause", text)
    verdict.figures |= {"pauses": sum(map(len, seen.pauses.values())), "held by pauses": held}


def _holds(seen: Seen, job: Job) -> Iterator[tuple[int, Span]]:
    """Return from when on a job was held by which pause: it stood in the queue, or was pushed to it, late enough."""
    for hold in job.holds:
        yield hold.ns, next(span for span in reversed(seen.pauses[hold.word]) if span.begins < hold.ns)
    if job.pushes:
        pushed = job.pushes[0].ns
        for pause in seen.pauses_of(job):
            if pause.begins + _KNOWN_WITHIN < pushed < pause.ends:
                yield pushed, pause


def _may_not_know(seen: Seen, run: Run, paused: int) -> bool:
    """Tell whether a process could not learn of a pause in time, or Redis has forgotten it."""
    if seen.redis.may_have_undone(paused) or seen.redis.was_away(paused, run.ns):
        return True
    process = seen.processes[run.pid]
    return any(span.overlaps(paused, run.ns) for span in (*process.faults(), *seen.starvings(process)))
