"""Poison: who kills its process is buried after three deaths, and nobody who only ran beside it."""

from tests.chaos.jobs_seen import Job
from tests.chaos.seen import Seen
from tests.chaos.verdict import Verdict

_LIMIT = 3


def check_poison(seen: Seen, verdict: Verdict) -> None:
    """See who was buried, and after how many deaths."""
    killers = [job for job in seen.jobs.values() if job.is_killer and seen.counts_as_pushed(job)]
    # Beside others that die or are to blame as well, one death may not count against it, or count without a run.
    is_alone = not seen.facts.kills_at_random and len(killers) == 1
    for job in killers:
        _check_killer(seen, job, verdict, is_alone=is_alone)
    buried = [seen.jobs[jid] for jid in seen.dead if jid in seen.jobs and seen.is_poisoned(jid)]
    innocents = [job for job in buried if not job.is_killer]
    for job in innocents:
        deaths = len(_deaths(seen, job))
        if not seen.facts.kills_at_random or deaths < _LIMIT:
            verdict.violate("poison", f"an innocent was buried: {job}, which met {deaths} deaths")
    verdict.figures |= {
        "killers": len(killers),
        "most runs of a killer": max((len(job.runs) for job in killers), default=0),
        "innocents buried": len(innocents),
    }


def _check_killer(seen: Seen, job: Job, verdict: Verdict, *, is_alone: bool) -> None:
    if job.jid in seen.dead and not seen.is_poisoned(job.jid):
        verdict.violate("poison", f"{job} is dead for {seen.dead[job.jid].get('error_class')}")
        return
    survivors = [run.pid for run in job.runs if seen.processes[run.pid].killed is None]
    if is_alone and (len(job.runs) != _LIMIT or survivors):
        deaths = len(job.runs) - len(survivors)
        verdict.violate("poison", f"{job} began {len(job.runs)} times, {deaths} of them in a process that died of it")
    elif seen.is_poisoned(job.jid) and len(_deaths(seen, job)) < _LIMIT:
        verdict.violate("poison", f"{job} was buried after {len(_deaths(seen, job))} deaths")


def _deaths(seen: Seen, job: Job) -> set[str]:
    """Return the identities that died, or were taken for dead, with the job in hand."""
    # It may have been in the hands of one without having begun there.
    found = {mark.word for mark in job.recoveries}
    for run in job.runs:
        process = seen.processes[run.pid]
        identity = process.identity(run.ns)
        if (process.killed is not None or identity in seen.given_up) and not job.settles_of(run):
            found.add(identity)
    return found
