"""I3: a job runs twice only if something had happened to the process that ran it before."""

from collections import Counter, defaultdict

from tests.chaos.excuses import EXCUSES, KILLED, STARVED, excuse
from tests.chaos.jobs_seen import Job, Run
from tests.chaos.seen import Seen
from tests.chaos.verdict import Verdict


def check_duplicates(seen: Seen, verdict: Verdict) -> None:
    """Explain each run that had been before, and each end."""
    excuses: Counter[str] = Counter()
    began_again: defaultdict[tuple[int, str], set[str]] = defaultdict(set)
    duplicates = unexplained = ended_twice = 0
    for job in seen.jobs.values():
        is_explained = False
        for run, following in job.repeats():
            duplicates += 1
            reason = excuse(seen, job, run, following)
            if reason is None:
                unexplained += 1
                verdict.violate("I3", f"unexplained duplicate: {_story(seen, job, run, following)}")
                continue
            is_explained = True
            excuses[reason] += 1
            if reason == KILLED:
                # Who was given up for dead began anew with as many slots.
                began_again[run.pid, seen.processes[run.pid].identity(run.ns)].add(job.jid)
        if len(job.ends) > 1:
            ended_twice += 1
            if not is_explained:
                verdict.violate("I3", f"{job} ended {len(job.ends)} times without an excuse: {_ends(seen, job)}")
    for (pid, _), jids in began_again.items():
        if len(jids) > seen.facts.concurrency:
            text = f"{len(jids)} jobs began again after the death of {pid}, which has {seen.facts.concurrency} slots"
            verdict.violate("I3", f"{text}, such as {min(jids)}")
    verdict.figures |= {
        "began twice": duplicates,
        **{f"duplicates by {reason}": excuses[reason] for reason in EXCUSES if reason != STARVED},
        "starved": excuses[STARVED],
        "unexplained duplicates": unexplained,
        "ended twice": ended_twice,
        "ran twice at once": len(seen.overlapping),
    }


def check_attempts(seen: Seen, verdict: Verdict) -> None:
    """See that attempts come one after the other."""
    for job in seen.jobs.values():
        begun: list[Run] = []
        for following in job.runs:
            number = int(following.attempt)
            for run in begun:
                if int(run.attempt) < number and _runs_on(seen, job, run, following):
                    verdict.violate("I3", f"attempt {number} began too soon: {_story(seen, job, run, following)}")
            is_next = number == 1 or any(int(run.attempt) == number - 1 for run in begun)
            if not is_next and not seen.redis.has_forgotten_by(following.ns):
                text = f"{job} began attempt {number} in {following.pid} at {seen.at(following.ns)}"
                verdict.violate("I3", f"{text}, and never attempt {number - 1}")
            begun.append(following)


def _runs_on(seen: Seen, job: Job, run: Run, following: Run) -> bool:
    """Tell whether a run goes on while a later attempt begins, and nothing had happened to its process."""
    if job.left_at(run) <= following.ns or seen.processes[run.pid].ended <= following.ns:
        return False
    return excuse(seen, job, run, following) is None


def _story(seen: Seen, job: Job, run: Run, following: Run) -> str:
    settled = "".join(f", settled as {mark.word} at {seen.at(mark.ns)}" for mark in job.settles_of(run))
    return (
        f"{job}, attempt {run.attempt}, began in {run.pid} at {seen.at(run.ns)}{settled}, "
        f"and again in {following.pid} at {seen.at(following.ns)}"
    )


def _ends(seen: Seen, job: Job) -> str:
    return ", ".join(f"in {mark.pid} at {seen.at(mark.ns)}" for mark in job.ends)
