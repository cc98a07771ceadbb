"""`sidelong quiet`, `stop` and `dump`: signals for worker processes anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from sidelong.api import Process, ProcessSet
from sidelong.app import Sidelong
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.operator.output import Output, tell
from sidelong.cli.operator.site import MisuseError
from sidelong.core.display import shown
from sidelong.errors import NotSteerableError

Order = Literal["quiet", "stop", "dump"]

TOLD: Final[dict[Order, str]] = {
    "quiet": "is told to fetch no more jobs",
    "stop": "is told to stop",
    "dump": "is told to log its stacks",
}


@dataclass(frozen=True)
class RemoteCommand:
    """What the command line asks for.

    Attributes:
        order: what the processes are told.
        identities: whom; the begin of an identity will do where only one process has it.
        is_for_all: whether all processes are meant.
    """

    order: Order
    identities: Sequence[str]
    is_for_all: bool

    async def __call__(self, app: Sidelong, output: Output) -> ExitStatus:
        """Tell each process, and say so."""
        if self.is_for_all == bool(self.identities):
            raise MisuseError("name the processes as `sidelong ps` does, or write --all")
        living = [process async for process in ProcessSet(app)]
        if self.is_for_all and not living:
            tell("no worker process is running")
            return ExitStatus.FAILED
        chosen = living if self.is_for_all else [_the_one(identity, living) for identity in self.identities]
        status = ExitStatus.DONE
        for process in chosen:
            try:
                await self._tell(process)
            except NotSteerableError as error:
                tell(shown(str(error)))
                status = ExitStatus.FAILED
            else:
                output.line(f"{shown(process.identity)} {TOLD[self.order]}")
        return status

    async def _tell(self, process: Process) -> None:
        if self.order == "quiet":
            await process.quiet()
        elif self.order == "stop":
            await process.stop()
        else:
            await process.dump_stacks()


def _the_one(identity: str, living: Sequence[Process]) -> Process:
    """Return the process of this identity, or the only one whose identity begins so."""
    for process in living:
        if process.identity == identity:
            return process
    alike = [process for process in living if identity and process.identity.startswith(identity)]
    if len(alike) == 1:
        return alike[0]
    if alike:
        names = " or ".join(shown(process.identity) for process in alike[:3])
        raise MisuseError(f"{shown(identity)} may be {names}{', ...' if len(alike) > 3 else ''}: write more of it")
    raise MisuseError(f"no living process is called {shown(identity)}: `sidelong ps` lists them")
