"""What a key asks for, the question before it, and how it is done."""

from dataclasses import dataclass
from typing import Literal

from sidelong.api import Entry, Process, Queue, QueueSummary, Work
from sidelong.app import Sidelong
from sidelong.cli.operator.cancelling import outcome_text
from sidelong.cli.operator.job_view import name_of
from sidelong.cli.operator.pausing import state_text
from sidelong.cli.operator.remote import TOLD
from sidelong.core.display import shown
from sidelong.errors import SidelongError

Verb = Literal["pause", "unpause", "quiet", "retry", "cancel"]


@dataclass(frozen=True)
class Order:
    """One thing to be done to one row, as it was when the key was pressed.

    Attributes:
        verb: what.
        target: to which row.
    """

    verb: Verb
    target: QueueSummary | Process | Work | Entry

    @property
    def name(self) -> str:
        """What people call the target; one short line."""
        if isinstance(self.target, QueueSummary):
            return shown(self.target.name)
        if isinstance(self.target, Process):
            return shown(self.target.identity)
        return name_of(self.target.record if isinstance(self.target, Work) else self.target)

    @property
    def question(self) -> str | None:
        """What is asked first; None for what another key press undoes."""
        if self.verb == "quiet":
            return f"Quiet {self.name}, until it is started again?"
        if self.verb == "retry":
            return f"Retry {self.name} now?"
        return f"Cancel {self.name}?" if self.verb == "cancel" else None


async def carry_out(app: Sidelong, order: Order) -> str:
    """Do it, and return in one line what became of it."""
    try:
        return f"{order.name} {await _outcome(app, order)}"
    except SidelongError as error:
        problem = str(error)
    except Exception as error:
        # The client middleware of the app runs here, and may raise anything.
        problem = f"{type(error).__name__}: {error}"
    return f"{order.verb} {order.name}: {shown(problem)}"


async def _outcome(app: Sidelong, order: Order) -> str:
    target = order.target
    if isinstance(target, QueueSummary):
        queue, pauses = Queue(app, target.name), order.verb == "pause"
        return state_text(pauses=pauses, has_changed=await (queue.pause() if pauses else queue.unpause()))
    if isinstance(target, Process):
        await target.quiet()
        return TOLD["quiet"]
    if isinstance(target, Work):
        return await outcome_text(app, target.record.jid, await app.cancel(target.record.jid))
    return "is enqueued" if await target.retry() else "is gone: a worker or somebody else was faster"
