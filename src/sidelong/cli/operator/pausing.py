"""`sidelong pause` and `unpause`: workers leave a queue alone, or serve it again."""

from collections.abc import Sequence
from dataclasses import dataclass

from sidelong.api import Queue
from sidelong.app import Sidelong
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.operator.output import Output, tell
from sidelong.cli.operator.site import MisuseError
from sidelong.core.display import shown
from sidelong.core.setting_checks import did_you_mean

_STATES = {
    (True, True): "is paused",
    (True, False): "was paused already",
    (False, True): "is served again",
    (False, False): "was not paused",
}


@dataclass(frozen=True)
class PauseCommand:
    """What the command line asks for.

    Attributes:
        queues: their names.
        pauses: whether to pause them, else to let them be served again.
    """

    queues: Sequence[str]
    pauses: bool

    async def __call__(self, app: Sidelong, output: Output) -> ExitStatus:
        """Pause or unpause each queue, and say what that has changed."""
        if "" in self.queues:
            raise MisuseError("a queue cannot be called ''")
        known = [queue.name for queue in await Queue.all(app)]
        for name in self.queues:
            queue = Queue(app, name)
            has_changed = await (queue.pause() if self.pauses else queue.unpause())
            output.line(f"{shown(name)} {state_text(pauses=self.pauses, has_changed=has_changed)}")
            if self.pauses and name not in known:
                # It may be meant for jobs to come, or be a slip.
                tell(f"nothing was enqueued to {shown(name)!r} yet{did_you_mean(name, known)}")
        return ExitStatus.DONE


def state_text(*, pauses: bool, has_changed: bool) -> str:
    """Return how a queue is now, and whether it was so before: the end of a sentence that begins with its name."""
    return _STATES[pauses, has_changed]
