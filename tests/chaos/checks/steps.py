"""Steps: what has finished is not begun again by a run that asks later, and all runs see the same result."""

from tests.chaos.jobs_seen import Job
from tests.chaos.seen import Seen
from tests.chaos.steps_seen import StepMark, StepSeen
from tests.chaos.verdict import Verdict


def check_steps(seen: Seen, verdict: Verdict) -> None:
    """Look at each step of each job."""
    finished = broken_off = left_out = again = at_once = 0
    for job in seen.jobs.values():
        for name, step in job.steps.items():
            finished += bool(step.ends)
            ended = {mark.run for mark in step.ends}
            worked = {mark.run for mark in step.works}
            broken_off += len(worked - ended)
            left_out += len(ended - worked)
            # Two runs may have been in it at once: whether they may have is another question, see `check_duplicates`.
            at_once += max(0, len(worked & ended) - 1)
            for work in step.works:
                if (end := _known_end(seen, step, work)) is not None:
                    again += 1
                    verdict.violate("steps", _story(seen, job, name, work, end))
            _check_results(seen, job, name, step, verdict)
    verdict.figures |= {
        "steps finished": finished,
        "steps broken off": broken_off,
        "steps left out": left_out,
        "steps done twice at once": at_once,
        "finished steps begun again": again,
    }


def _known_end(seen: Seen, step: StepSeen, work: StepMark) -> StepMark | None:
    """Return an end of the step that Redis must have told the run that does its work; None if there is none."""
    ask = step.asks[work.run]
    return next((end for end in step.ends if end.ns < ask.ns and not seen.redis.may_have_undone(end.ns)), None)


def _check_results(seen: Seen, job: Job, name: str, step: StepSeen, verdict: Verdict) -> None:
    if len({end.result for end in step.ends}) > 1 and not any(seen.redis.may_have_undone(end.ns) for end in step.ends):
        told = ", ".join(f"{end.result} in {end.pid} at {seen.at(end.ns)}" for end in step.ends)
        verdict.violate("steps", f"step {name} of {job} has several results: {told}")


def _story(seen: Seen, job: Job, name: str, work: StepMark, end: StepMark) -> str:
    return (
        f"step {name} of {job} had ended in {end.pid} at {seen.at(end.ns)}, and was begun again in {work.pid} at "
        f"{seen.at(work.ns)}"
    )
