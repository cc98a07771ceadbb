"""I0: the run came to rest; I1: no job is lost; I2: none stands in two places."""

from tests.chaos.events import PUSHED, REFUSED, UNSURE
from tests.chaos.jobs_seen import Job
from tests.chaos.seen import Seen
from tests.chaos.verdict import Verdict
from tests.support.redis_state import payloads

_DEAD = "dead"
_MARK = b"chaos-"


def check_rest(seen: Seen, verdict: Verdict) -> None:
    """See that nothing is left to be done."""
    if seen.quiet is None:
        verdict.violate("I0", "the faults were never healed: no QUIET")
    if seen.rested is None:
        verdict.violate("I0", "the run did not come to rest: no RESTED")
    elif seen.rested.get("left", "0") not in ("0", "None"):
        verdict.violate("I0", f"the run did not come to rest: {seen.rested['left']} jobs left at the limit")
    for key, raws in payloads(seen.dump).items():
        if key != _DEAD and raws:
            verdict.violate("I0", f"{len(raws):,} jobs left in {key!r}, such as {raws[0][:200]!r}")


def check_loss(seen: Seen, verdict: Verdict) -> None:
    """See that each job came to where its course ends."""
    lost = lost_by_redis = misplaced = set_aside = 0
    for job in seen.jobs.values():
        if not seen.counts_as_pushed(job):
            if job.runs:
                verdict.violate("I1", f"{job} began at {seen.at(job.runs[0].ns)}, and nobody has pushed it")
            continue
        if not job.has_been_pushed and not job.is_uncertain:
            verdict.violate("I1", f"{job} was refused, and is stored all the same")
        where = seen.places.get(job.jid, [])
        if any(key != _DEAD for key in where) or (where and seen.is_poisoned(job.jid)):
            # It has not come to rest, or is judged as a poison pill.
            continue
        if where and job.last_place != _DEAD and seen.is_set_aside(job):
            set_aside += 1
        elif where and job.last_place != _DEAD:
            misplaced += 1
            reason = seen.dead[job.jid].get("error_class")
            verdict.violate("I2", f"{job} stands in the dead set for {reason}, its course was {job.last_place}")
        elif not where and not _has_left(job) and not job.may_be_called_off:
            if _may_be_forgotten(seen, job):
                lost_by_redis += 1
            else:
                lost += 1
                verdict.violate("I1", f"{job} is lost: {_last_signs(seen, job)}")
    verdict.figures |= {
        "jobs": sum(map(seen.counts_as_pushed, seen.jobs.values())),
        "lost": lost,
        "lost by Redis": lost_by_redis,
        "misplaced": misplaced,
        "set aside": set_aside,
        "unsure": seen.counts[UNSURE],
        "refused": seen.counts[REFUSED],
    }


def check_malformed(seen: Seen, verdict: Verdict) -> None:
    """See that each payload that is no job stands in the dead set, once."""
    entry = seen.dump.get(_DEAD)
    raws: list[bytes] = list(entry.value) if entry is not None and entry.type == "zset" else []
    # Read once: marks are looked for among those that hold any.
    marked = [raw for raw in raws if _MARK in raw or _MARK.decode().encode("utf-16-le") in raw]
    for mark in sorted(seen.malformed):
        holding = sum(mark.encode() in raw or mark.encode("utf-16-le") in raw for raw in marked)
        if holding != 1:
            verdict.violate("I1", f"the malformed payload {mark} stands {holding} times in the dead set")
    verdict.figures["malformed"] = len(seen.malformed)


def check_places(seen: Seen, verdict: Verdict) -> None:
    """See that each job stands in one place at the most."""
    doubled = 0
    for jid, where in seen.places.items():
        if len(where) == 1 or jid not in seen.jobs:
            continue
        if seen.redis.is_forgetful and set(where) == {_DEAD}:
            doubled += 1
        else:
            verdict.violate("I2", f"{seen.jobs[jid]} stands in {len(where)} places: {', '.join(where)}")
    verdict.figures["dead twice by Redis"] = doubled


def _has_left(job: Job) -> bool:
    match job.last_place:
        case "done":
            return bool(job.ends)
        case "gone":
            return bool(job.runs)
        case _:
            return False


def _may_be_forgotten(seen: Seen, job: Job) -> bool:
    answered = [mark.ns for mark in job.pushes if mark.word == PUSHED or job.is_uncertain]
    return any(map(seen.redis.may_have_undone, answered))


def _last_signs(seen: Seen, job: Job) -> str:
    signs = [(mark.ns, mark.pid, mark.word) for mark in job.pushes]
    signs += [(run.ns, run.pid, f"attempt {run.attempt}") for run in job.runs]
    signs += [(mark.ns, mark.pid, "end") for mark in job.ends]
    signs += [(mark.ns, mark.pid, "failure") for mark in job.fails]
    signs += [(mark.ns, mark.pid, f"settled as {mark.word}") for mark in job.settles]
    signs += [(call.asked, 0, f"called off: {call.how}") for call in job.calls_off]
    signs += [(mark.ns, mark.pid, f"recovered from {mark.word}") for mark in job.recoveries]
    return ", ".join(f"{word} by {pid} at {seen.at(ns)}" for ns, pid, word in sorted(signs)[-5:])
