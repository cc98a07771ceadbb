"""What the ledger tells of the steps of each job."""

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.chaos.events import ASKING, STEP, told
from tests.support.ledger import Event


class StepMark(NamedTuple):
    """Something happened to a step.

    Attributes:
        ns: when.
        pid: in which process.
        run: names one run of the job's body.
        result: of the step, if it has ended.
    """

    ns: int
    pid: int
    run: str
    result: str = ""


@dataclass(slots=True)
class StepSeen:
    """One step of one job, with its events in order.

    Attributes:
        asks: by run, when it was about to begin: what had finished by then, it must be told.
        works: when its work began.
        ends: when its block had ended.
    """

    asks: dict[str, StepMark] = field(default_factory=dict)
    works: list[StepMark] = field(default_factory=list)
    ends: list[StepMark] = field(default_factory=list)


def note_step(steps: dict[str, StepSeen], event: Event) -> None:
    """Sort one event to the step that it concerns."""
    said = told(event.extra)
    step = steps.setdefault(said["step"], StepSeen())
    mark = StepMark(event.ns, event.pid, said["run"], said.get("result", ""))
    if event.name == ASKING:
        step.asks[mark.run] = mark
    elif event.name == STEP:
        step.works.append(mark)
    else:
        step.ends.append(mark)
