"""The `sidelong` command: what can be typed, and what the help says."""

import importlib.metadata
from typing import Annotated

import typer

from sidelong.cli import flags, looking, steering
from sidelong.cli.command import Command, Group
from sidelong.cli.dev.command_line import dev
from sidelong.cli.new.commands import new

cli = typer.Typer(
    name="sidelong",
    cls=Group,
    help="Sidelong runs background jobs from Redis on asyncio, beside Sidekiq if you like.",
    no_args_is_help=True,
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


@cli.command(cls=Command)
def run(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="Where the app is: `module:attr` or `path.py[:attr]`. Without attr, the only app in it.",
        ),
    ],
    concurrency: flags.Concurrency = None,
    queues: flags.Queues = None,
    timeout: flags.Timeout = None,
    tag: flags.Tag = None,
    labels: flags.Labels = None,
    event_loop: flags.EventLoop = None,
    log_format: flags.Format = None,
    health: flags.Health = None,
    pidfile: flags.Pidfile = None,
    logfile: flags.Logfile = None,
    verbose: flags.Verbose = False,
    redis: flags.Redis = None,
    config_file: flags.ConfigFile = None,
    environment: flags.Environment = None,
) -> None:
    """Run a worker: take jobs from Redis and perform them, until told to stop.

    **TERM**, **Ctrl-C** or a terminal that is closed stops it: no new jobs, running ones get the timeout. A second
    one cancels them at once, a third leaves at once. **TSTP** or **USR1** stops taking jobs and keeps running those
    it has; **TTIN** logs the stacks of all tasks and threads.

    Exit status: 0 after a stop; 1 if Redis or the app's own code failed, or the pidfile is that of a living worker;
    2 if the command or a setting is wrong.

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
                tag=tag,
                labels=labels or (),
                event_loop=str(event_loop) if event_loop else None,
                log_format=str(log_format) if log_format else None,
                health=health,
                pidfile=pidfile,
                logfile=logfile,
                config_file=config_file,
                environment=environment,
            )
        )
    )


cli.command(cls=Command)(dev)


@cli.command(cls=Command)
def health(
    address: Annotated[
        str | None,
        typer.Argument(metavar="HOST:PORT", help="Where the worker answers (default: SIDELONG_HEALTH, or the file)."),
    ] = None,
    ready: Annotated[bool, typer.Option("--ready", help="Ask whether it is ready instead.")] = False,
) -> None:
    """Ask a worker that runs with `--health` whether it is live; for probes that run a command.

    Exit status: 0 if it is; 1 if it is not, or does not answer within 3 seconds; 2 if nobody says where to ask.

    For example:

    - `sidelong health 127.0.0.1:8080`

    - `sidelong health 127.0.0.1:8080 --ready`
    """
    from sidelong.cli.health import ask_health

    raise typer.Exit(ask_health(address, probe="ready" if ready else "live"))


@cli.command(cls=Command)
def enqueue(
    target: Annotated[
        str,
        typer.Argument(
            metavar="JOB",
            help="The job: `module:attr` or `path.py:attr`, or its wire name, such as `shop.jobs.send_mail` or"
            " `Ruby::Class`.",
        ),
    ],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="ARGS", help="Its arguments. What is JSON is read as JSON, all else is a string."),
    ] = None,
    delay: Annotated[
        str | None, typer.Option("--in", metavar="DURATION", help="Run it later: 90 (seconds), 10m, 2h, 1d, 1h30m.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="Run it at 2030-01-31T08:00:00+01:00, or at epoch seconds."),
    ] = None,
    queue: Annotated[
        str | None, typer.Option("--queue", "-q", metavar="NAME", help="Another queue than the job's own.")
    ] = None,
    app: Annotated[
        str | None,
        typer.Option(
            "--app",
            metavar="TARGET",
            help="The app that knows the wire name: its options, middleware and Redis are used. Without it, a"
            " wire name goes to `default`, unchecked.",
        ),
    ] = None,
    are_strings: Annotated[bool, typer.Option("--string", "-s", help="Take all ARGS as strings.")] = False,
    redis: flags.Redis = None,
    config_file: flags.ConfigFile = None,
    environment: flags.Environment = None,
) -> None:
    """Enqueue a job, and print its id.

    A job that is imported, or known to the app, is checked: its arguments must fit its parameters.

    Exit status: 0 if it is stored; 1 if it is not, and trying again is safe; 2 if the command or a setting is
    wrong; 3 if Redis did not answer and it may be stored; 4 if a client middleware stopped it.

    For example:

    - `sidelong enqueue shop.jobs:send_welcome 42 --in 10m`

    - `sidelong enqueue Mailers::Welcome 42 '{"locale": "de"}' -q mailers`

    - `sidelong enqueue shop.jobs:set_limit -- -5` (after `--`, nothing is an option)
    """
    from sidelong.cli.enqueue import EnqueueOptions
    from sidelong.cli.enqueue import enqueue as enqueue_job

    raise typer.Exit(
        enqueue_job(
            EnqueueOptions(
                target=target,
                arguments=arguments or (),
                are_strings=are_strings,
                delay=delay,
                at=at,
                queue=queue,
                app=app,
                redis=redis,
                config_file=config_file,
                environment=environment,
            )
        )
    )


@cli.command(cls=Command)
def config(
    target: Annotated[
        str | None,
        typer.Argument(metavar="TARGET", help="Where the app is, as for `run`; without it, code says nothing."),
    ] = None,
    concurrency: flags.Concurrency = None,
    queues: flags.Queues = None,
    timeout: flags.Timeout = None,
    tag: flags.Tag = None,
    labels: flags.Labels = None,
    event_loop: flags.EventLoop = None,
    log_format: flags.Format = None,
    health: flags.Health = None,
    pidfile: flags.Pidfile = None,
    logfile: flags.Logfile = None,
    verbose: flags.Verbose = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    redis: flags.Redis = None,
    config_file: flags.ConfigFile = None,
    environment: flags.Environment = None,
) -> None:
    """Show the settings that hold here, and where each comes from. Secrets are hidden.

    Write `config` in place of `run`, and it shows what that command would run with. Flags come before code, code
    before the environment, the environment before the settings file, and the file before the defaults.

    Exit status: 0, or 2 if a setting is wrong.
    """
    from sidelong.cli.config import show_config
    from sidelong.cli.run import RunOptions

    raise typer.Exit(
        show_config(
            RunOptions(
                target=target or "",
                concurrency=concurrency,
                queues=queues or (),
                timeout=timeout,
                redis=redis,
                verbose=verbose,
                tag=tag,
                labels=labels or (),
                event_loop=str(event_loop) if event_loop else None,
                log_format=str(log_format) if log_format else None,
                health=health,
                pidfile=pidfile,
                logfile=logfile,
                config_file=config_file,
                environment=environment,
            ),
            as_json=as_json,
        )
    )


@cli.command(cls=Command)
def web(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET",
            help="Where the app is, as for `run`: its client middleware then runs when a job is retried. Without it,"
            " only Redis is needed.",
        ),
    ] = None,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", "-p", metavar="PORT", min=0, max=65535, help="The port; 0 for any free one.")
    ] = 8080,
    allowed_hosts: Annotated[
        list[str] | None,
        typer.Option("--allowed-host", metavar="NAME", help="A name that leads here; repeat it for more."),
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Allow nothing but looking.")] = False,
    is_open: Annotated[
        bool, typer.Option("--insecure-no-auth", help="Let everybody in who can reach the address.")
    ] = False,
    exporter: Annotated[
        bool, typer.Option("--exporter", help="Also answer /prometheus and /scale. Needs `sidelong[metrics]`.")
    ] = False,
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="What the pages are called.")] = "Sidelong",
    redis: flags.Redis = None,
    config_file: flags.ConfigFile = None,
    environment: flags.Environment = None,
) -> None:
    """Serve the pages on which jobs are seen and steered. Needs `sidelong[web]`.

    It asks for the user and password in **SIDELONG_WEB_USERNAME** and **SIDELONG_WEB_PASSWORD**. Without them it
    listens on this machine only.

    Exit status: 0 after a stop, 1 if Redis or the port cannot be used, 2 if the command or a setting is wrong.

    For example:

    - `sidelong web --redis redis://localhost:6379/0`

    - `sidelong web shop.jobs:app --host 0.0.0.0 --port 8080`
    """
    from sidelong.cli.web import WebOptions, serve_web

    raise typer.Exit(
        serve_web(
            WebOptions(
                target=target,
                redis=redis,
                host=host,
                port=port,
                allowed_hosts=allowed_hosts or (),
                read_only=read_only,
                is_open=is_open,
                exporter=exporter,
                title=title,
                config_file=config_file,
                environment=environment,
            )
        )
    )


@cli.command(cls=Command)
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


cli.add_typer(new, name="new")
for _panel, _commands in {"Look": looking.COMMANDS, "Steer": steering.COMMANDS}.items():
    for _command in _commands:
        cli.command(cls=Command, rich_help_panel=_panel)(_command)

cli.command(cls=Command, rich_help_panel="Steer")(steering.ctl)
