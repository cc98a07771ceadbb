"""The `sidelong` command: what can be typed, and what the help says."""

import importlib.metadata
from typing import Annotated

import typer

cli = typer.Typer(
    name="sidelong",
    help="Sidelong runs background jobs from Redis on asyncio, beside Sidekiq if you like.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Entry point of the console script and of `python -m sidelong`."""
    cli(prog_name="sidelong")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sidelong {importlib.metadata.version('sidelong')}")
        raise typer.Exit


@cli.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    pass


@cli.command()
def run(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="Where the app is: `module:attr` or `path.py[:attr]`. Without attr, the only app in it.",
        ),
    ],
    concurrency: Annotated[
        int | None,
        typer.Option("--concurrency", "-c", metavar="N", min=1, help="How many jobs run at once (default: 10)."),
    ] = None,
    queues: Annotated[
        list[str] | None,
        typer.Option(
            "--queue",
            "-q",
            metavar="NAME[,WEIGHT]",
            help="A queue to serve; repeat it for more. With weights, a queue of weight 3 gets three times"
            " the share of one of weight 1; without, an earlier queue always goes first. (default: the"
            " queues of all jobs in the app, and `default`)",
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            "-t",
            metavar="SECONDS",
            min=0,
            help="How long running jobs may go on after TERM or Ctrl-C, before they are cancelled and handed"
            " back to their queues (default: 25).",
        ),
    ] = None,
    redis: Annotated[
        str | None,
        typer.Option("--redis", metavar="URL", help="Redis to use instead of the app's own.", show_default=False),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log at DEBUG.")] = False,
) -> None:
    """Run a worker: take jobs from Redis and perform them, until told to stop.

    **TERM** or **Ctrl-C** stops it: no new jobs, running ones get the timeout. A second one cancels them at
    once, a third leaves at once. **TSTP** stops taking jobs and keeps running those it has; **TTIN** logs the
    stacks of all tasks and threads.

    For example:

    - `sidelong run shop.jobs:app`

    - `sidelong run shop.py -c 100 -q critical,3 -q default`
    """
    # Imported late: `sidelong --help` needs no engine.
    from sidelong.cli.run import RunOptions
    from sidelong.cli.run import run as run_worker

    raise typer.Exit(
        run_worker(
            RunOptions(
                target=target,
                concurrency=concurrency,
                queues=queues or (),
                timeout=timeout,
                redis=redis,
                verbose=verbose,
            )
        )
    )


@cli.command()
def demo(
    redis: Annotated[
        str | None,
        typer.Option("--redis", metavar="URL", help="A real Redis to run on; by default one inside this process."),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Which failures happen; the same seed, the same failures.")
    ] = 7,
    orders: Annotated[int, typer.Option(metavar="N", min=1, help="How many orders the shop takes.")] = 1000,
) -> None:
    """Watch Sidelong get 1,000 orders through services that are slow, throttle and crash.

    Every order is charged, confirmed by mail and shipped, each by a job of its own. Calls fail all the time
    and jobs are tried again; at the end the books are compared. The exit status is 0 only if every order was
    charged and shipped exactly once and confirmed at least once.
    """
    from sidelong.cli.demo.command import run_demo

    raise typer.Exit(run_demo(redis, seed=seed, orders=orders))
