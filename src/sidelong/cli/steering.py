"""The commands that change what Redis holds or what workers do: what can be typed, and what the help says.

All but `ctl` do so through Redis. Each imports its work late, as in `looking`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sidelong.cli import flags
from sidelong.cli.option_groups import Chosen, Site, with_groups

if TYPE_CHECKING:
    from sidelong.cli.operator.remote import Order

_Names = Annotated[list[str], typer.Argument(metavar="QUEUE", help="Names of queues.")]
_Identities = Annotated[
    list[str] | None,
    typer.Argument(metavar="IDENTITY", help="Processes as `sidelong ps` names them; the begin will do if it is clear."),
]
_All = Annotated[bool, typer.Option("--all", help="All worker processes.")]


@with_groups
def retry(chosen: Chosen, site: Site) -> None:
    """Enqueue jobs now that wait for a retry or for their time, or are dead.

    By id, or all that match in one place. The attempt does not count. The client middleware of the `--app` runs.

    Exit status: 0 if it is done; 1 if a job is gone or stays as it was, or Redis cannot be used; 2 if the command or
    a setting is wrong.

    For example:

    - `sidelong retry --from dead --class shop.jobs.charge`
    """
    from sidelong.cli.operator.changes import RETRY, ChangeCommand

    site.run(ChangeCommand(RETRY, chosen.selection(), chosen.is_dry, chosen.is_confirmed))


@with_groups
def kill(chosen: Chosen, site: Site) -> None:
    """Move jobs from the retry set or the schedule to the dead set, where they stay for inspection.

    By id, or all that match in one place. The death handlers of the `--app` are called.

    Exit status: 0 if it is done; 1 if a job is gone or stays as it was, or Redis cannot be used; 2 if the command or
    a setting is wrong.

    For example:

    - `sidelong kill --from retry --error KeyError --yes`
    """
    from sidelong.cli.operator.changes import KILL, ChangeCommand

    site.run(ChangeCommand(KILL, chosen.selection(), chosen.is_dry, chosen.is_confirmed))


@with_groups
def delete(chosen: Chosen, site: Site) -> None:
    """Delete jobs that wait, or are dead. There is no way back.

    By id, or all that match in one place.

    Exit status: 0 if it is done; 1 if a job is gone or stays as it was, or Redis cannot be used; 2 if the command or
    a setting is wrong.

    For example:

    - `sidelong delete --from dead --text order-42 --dry-run`
    """
    from sidelong.cli.operator.changes import DELETE, ChangeCommand

    site.run(ChangeCommand(DELETE, chosen.selection(), chosen.is_dry, chosen.is_confirmed))


@with_groups
def cancel(chosen: Chosen, site: Site) -> None:
    """Call jobs off, wherever they are: waiting ones are deleted, running ones are cancelled.

    By id, or all that match in one place. A `def` job runs on, sees that it is cancelled, and is not tried again.

    Exit status: 0 if it is done; 1 if a job is gone or stays as it was, or Redis cannot be used; 2 if the command or
    a setting is wrong.

    For example:

    - `sidelong cancel --from running --class shop.jobs.report`
    """
    from sidelong.cli.operator.cancelling import CancelCommand
    from sidelong.cli.operator.changes import CANCEL

    site.run(CancelCommand(CANCEL, chosen.selection(), chosen.is_dry, chosen.is_confirmed))


@with_groups
def pause(names: _Names, site: Site) -> None:
    """Let workers leave queues alone until `unpause`. What runs goes on, and jobs can still be enqueued.

    Workers of Sidekiq heed it only in its Pro edition.

    Exit status: 0; 1 if Redis cannot be used; 2 if the command or a setting is wrong.
    """
    from sidelong.cli.operator.pausing import PauseCommand

    site.run(PauseCommand(names, pauses=True))


@with_groups
def unpause(names: _Names, site: Site) -> None:
    """Let workers serve paused queues again.

    Exit status: 0; 1 if Redis cannot be used; 2 if the command or a setting is wrong.
    """
    from sidelong.cli.operator.pausing import PauseCommand

    site.run(PauseCommand(names, pauses=False))


@with_groups
def quiet(identities: _Identities = None, is_for_all: _All = False, *, site: Site) -> None:
    """Let worker processes fetch no more jobs and finish those they have; only a restart ends that.

    Exit status: 0 if they are told; 1 if one takes no signals because it is embedded in another program, or Redis
    cannot be used; 2 if no process is called so, or the command or a setting is wrong.
    """
    _order("quiet", identities, is_for_all, site)


@with_groups
def stop(identities: _Identities = None, is_for_all: _All = False, *, site: Site) -> None:
    """Let worker processes end as on TERM: jobs that outlast the timeout go back to their queues.

    Exit status: 0 if they are told; 1 if one takes no signals because it is embedded in another program, or Redis
    cannot be used; 2 if no process is called so, or the command or a setting is wrong.
    """
    _order("stop", identities, is_for_all, site)


@with_groups
def dump(identities: _Identities = None, is_for_all: _All = False, *, site: Site) -> None:
    """Let worker processes write to their logs what each of their tasks and threads is doing.

    Exit status: 0 if they are told; 1 if one takes no signals because it is embedded in another program, or Redis
    cannot be used; 2 if no process is called so, or the command or a setting is wrong.
    """
    _order("dump", identities, is_for_all, site)


def _order(order: "Order", identities: list[str] | None, is_for_all: bool, site: Site) -> None:
    from sidelong.cli.operator.remote import RemoteCommand

    site.run(RemoteCommand(order, identities or (), is_for_all))


def ctl(
    order: Annotated[flags.Order, typer.Argument(metavar="ORDER", help="quiet, stop or dump.")],
    pidfile: Annotated[
        Path, typer.Option("--pidfile", "-P", metavar="FILE", help="What `sidelong run --pidfile` was given.")
    ],
    wait: Annotated[
        float | None,
        typer.Option(
            "--wait",
            metavar="SECONDS",
            min=0,
            help="With stop: come back when it has ended, or fail after so long. It needs its `--timeout` and 4 s.",
        ),
    ] = None,
) -> None:
    """Signal the worker on this machine that was started with a pidfile. No Redis is needed.

    **quiet** lets it fetch no more jobs, **stop** ends it as TERM does, **dump** has it log its stacks. What is no
    worker is never signalled.

    Exit status: 0 if it is told; 1 if no worker is running, if it cannot be signalled, or if it still runs after
    `--wait`; 2 if the command is wrong or the file is no pidfile.

    For example:

    - `sidelong ctl stop --pidfile /run/shop/worker.pid --wait 40`
    """
    from sidelong.cli.ctl import control

    raise typer.Exit(control(order, pidfile, wait=wait))


@with_groups
def deploy_mark(
    label: Annotated[
        str | None, typer.Argument(metavar="LABEL", help="What was deployed; the last commit of git if not given.")
    ] = None,
    *,
    site: Site,
) -> None:
    """Mark a deploy, to be seen beside the metrics of jobs. It is kept for 90 days.

    Each server of a fleet may mark the same deploy: of two marks in one minute the first stays.

    Exit status: 0; 1 if Redis cannot be used; 2 if there is no label, or the command or a setting is wrong.
    """
    from sidelong.cli.operator.deploy import DeployMarkCommand

    site.run(DeployMarkCommand(label))


# Those that go through Redis.
COMMANDS: tuple[Callable[..., None], ...] = (
    retry,
    kill,
    delete,
    cancel,
    pause,
    unpause,
    quiet,
    stop,
    dump,
    deploy_mark,
)
