"""The commands that look at what Redis holds: what can be typed, and what the help says.

Each imports its work late: `sidelong --help` needs no engine.
"""

from collections.abc import Callable
from typing import Annotated

import typer

from sidelong.cli import flags
from sidelong.cli.option_groups import Site, Surroundings, Wanted, with_groups

_Jid = Annotated[str, typer.Argument(metavar="JID", help="The id of the job.")]


@with_groups
def stats(
    days: Annotated[
        int, typer.Option("--days", metavar="N", min=0, max=1825, help="Also what was done on each of so many days.")
    ] = 0,
    as_json: flags.AsJson = False,
    *,
    site: Site,
) -> None:
    """Show how many jobs were done, wait and run.

    Exit status: 0; 1 if Redis cannot be used; 2 if the command or a setting is wrong.
    """
    from sidelong.cli.operator.stats import StatsCommand

    site.run(StatsCommand(days, as_json))


@with_groups
def top(
    every: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=0.1, help="How long to wait between two looks at Redis.")
    ] = 2.0,
    is_once: Annotated[bool, typer.Option("--once", help="Print what is to be seen now, and end.")] = False,
    *,
    site: Site,
) -> None:
    """Watch queues, processes, running jobs and retries on the terminal, and steer them by keys.

    **p** pauses a queue, **t** quiets a process, **r** retries a job, **c** cancels one; **?** explains the keys and
    **q** quits.

    Exit status: 0; 1 if `--once` cannot use Redis; 2 if there is no terminal, or the command or a setting is wrong.
    """
    from sidelong.cli.top.command import TopCommand

    site.run(TopCommand(every, is_once))


@with_groups
def ps(
    as_json: flags.AsJson = False,
    *,
    site: Site,
) -> None:
    """List the worker processes, Sidekiq's included.

    Exit status: 0; 1 if Redis cannot be used; 2 if the command or a setting is wrong.
    """
    from sidelong.cli.operator.processes import ProcessesCommand

    site.run(ProcessesCommand(as_json))


@with_groups
def queues(
    as_json: flags.AsJson = False,
    *,
    site: Site,
) -> None:
    """List the queues: how many jobs wait, for how long, and how many processes fetch them.

    Exit status: 0; 1 if Redis cannot be used; 2 if the command or a setting is wrong.
    """
    from sidelong.cli.operator.queues import QueuesCommand

    site.run(QueuesCommand(as_json))


@with_groups
def jobs(
    place: Annotated[
        str,
        typer.Argument(
            metavar="PLACE",
            help="A queue, or retry, dead, scheduled or running (`queue:dead` is the queue of that name).",
        ),
    ],
    wanted: Wanted,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", metavar="N", min=0, help="At most so many; 0 for all (default: 20 on a terminal, else all)."
        ),
    ] = None,
    newest_first: Annotated[
        bool | None,
        typer.Option(
            "--newest-first/--oldest-first",
            help="Which end to begin with (default: what runs next; in the dead set, what died last).",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object on a line.")] = False,
    *,
    site: Site,
) -> None:
    """List the jobs of a queue or a set, or those that run. Secrets in arguments are hidden.

    Exit status: 0; 1 if Redis cannot be used; 2 if the command or a setting is wrong.

    For example:

    - `sidelong jobs retry --class shop.jobs.charge --error TimeoutError`
    """
    from sidelong.cli.operator.listing import JobsCommand
    from sidelong.cli.operator.places import read_place

    site.run(JobsCommand(read_place(place), wanted.filter(), limit, newest_first, as_json))


@with_groups
def show(
    jid: _Jid,
    is_raw: Annotated[bool, typer.Option("--raw", help="Print the stored JSON as it is, secrets included.")] = False,
    as_json: flags.AsJson = False,
    *,
    site: Site,
) -> None:
    """Show all that is stored of one job. Secrets in its arguments are hidden.

    Exit status: 0; 1 if there is no such job, or Redis cannot be used; 2 if the command or a setting is wrong.
    """
    from sidelong.cli.operator.detail import ShowCommand

    site.run(ShowCommand(jid, is_raw, as_json))


@with_groups
def why(
    jid: _Jid,
    watch: Annotated[
        float,
        typer.Option("--watch", metavar="SECONDS", min=0, help="How long to watch how fast its queue moves."),
    ] = 2.0,
    as_json: flags.AsJson = False,
    *,
    site: Site,
) -> None:
    """Tell where a job is, what became of it so far, and why it does not run.

    With `--app`, also whether the app knows its class.

    Exit status: 0; 1 if there is no such job, or Redis cannot be used; 2 if the command or a setting is wrong.
    """
    from sidelong.cli.operator.why import WhyCommand

    site.run(WhyCommand(jid, watch, site.app, as_json))


@with_groups
def check(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Where the app is: `module:attr` or `path.py[:attr]`.")
    ],
    queues: Annotated[
        list[str] | None,
        typer.Option(
            "--queue",
            "-q",
            metavar="NAME",
            help="Only jobs of this queue; repeat it for more. Needed where Ruby has queues of its own.",
        ),
    ] = None,
    as_json: flags.AsJson = False,
    *,
    surroundings: Surroundings,
) -> None:
    """Before a deploy: would the jobs that wait in queues, schedule and retry set run with this app?

    It finds classes that the app does not know, and arguments that do not fit.

    Exit status: 0 if they would; 1 if not, or if Redis or the app's own code failed; 2 if the command or a setting is
    wrong.
    """
    from sidelong.cli.operator.check import CheckCommand

    surroundings.with_app(target).run(CheckCommand(queues or (), as_json))


@with_groups
def monitor(
    processes: Annotated[
        int, typer.Option("--processes", metavar="N", min=0, help="At least so many processes must fetch jobs.")
    ] = 1,
    latency: Annotated[
        str | None,
        typer.Option("--latency", metavar="DURATION", help="No job may wait for longer: 90 (seconds), 10m, 2h."),
    ] = None,
    queues: Annotated[
        list[str] | None,
        typer.Option("--queue", "-q", metavar="NAME", help="The latency of this queue only; repeat it for more."),
    ] = None,
    retries: Annotated[
        int | None, typer.Option("--retries", metavar="N", min=0, help="At most so many jobs may wait for a retry.")
    ] = None,
    dead: Annotated[
        int | None, typer.Option("--dead", metavar="N", min=0, help="At most so many jobs may be dead.")
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option(
            "--memory",
            metavar="PERCENT",
            min=0,
            help="Redis may have taken at most so much of its `maxmemory`, or of the machine's memory.",
        ),
    ] = None,
    as_json: flags.AsJson = False,
    *,
    site: Site,
) -> None:
    """Look once whether all is well, for cron or whoever raises alarms; each problem is one line.

    Exit status: 0 if all is well; 1 if there is a problem, or Redis cannot be used; 2 if the command or a setting
    is wrong.

    For example:

    - `sidelong monitor --latency 5m --retries 1000 --memory 80`
    """
    from sidelong.cli.moments import read_duration
    from sidelong.cli.operator.monitor import MonitorCommand
    from sidelong.cli.operator.site import misused

    try:
        seconds = None if latency is None else read_duration(latency)
    except ValueError as error:
        raise typer.Exit(misused(error)) from None
    site.run(MonitorCommand(processes, seconds, queues or (), retries, dead, memory, as_json))


COMMANDS: tuple[Callable[..., None], ...] = (stats, top, ps, queues, jobs, show, why, monitor, check)
