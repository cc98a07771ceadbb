"""`sidelong deploy-mark`: what was deployed now, to be seen beside the metrics of jobs."""

from dataclasses import dataclass

from sidelong.api import Deploys
from sidelong.api.deploys import last_commit
from sidelong.app import Sidelong
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.operator.output import Output
from sidelong.cli.operator.site import MisuseError
from sidelong.core.display import shown


@dataclass(frozen=True)
class DeployMarkCommand:
    """What the command line asks for.

    Attributes:
        label: what was deployed; None for the last commit.
    """

    label: str | None

    async def __call__(self, app: Sidelong, output: Output) -> ExitStatus:
        """Mark the deploy, and say so."""
        try:
            # Nothing else runs in this event loop.
            label = self.label if self.label is not None else last_commit()
            is_new = await Deploys(app).mark(label)
        except ValueError as error:
            raise MisuseError(str(error)) from None
        output.line(f"{'marked' if is_new else 'marked already'}: {shown(label)}")
        return ExitStatus.DONE
