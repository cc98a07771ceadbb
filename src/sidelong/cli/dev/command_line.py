"""What can be typed after `sidelong dev`, and what the help says."""

from pathlib import Path
from typing import Annotated

import typer

from sidelong.cli import flags

_SERVERS = "Servers"


def dev(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="Where the app is: `module:attr` or `path.py[:attr]`. Without attr, the only app in it.",
        ),
    ],
    web_app: Annotated[
        str | None,
        typer.Option(
            "--app",
            metavar="MODULE:ATTR",
            help="The web app to serve, by ASGI: `module:attr` or `path.py:attr`.",
            rich_help_panel=_SERVERS,
        ),
    ] = None,
    is_factory: Annotated[
        bool,
        typer.Option("--factory", help="It is a function that returns the web app.", rich_help_panel=_SERVERS),
    ] = False,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="The address to listen on.", rich_help_panel=_SERVERS)
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            "-p",
            metavar="PORT",
            min=0,
            max=65535,
            help="The port of the web app (default: 8000, or the next that is free).",
            rich_help_panel=_SERVERS,
        ),
    ] = None,
    web_port: Annotated[
        int | None,
        typer.Option(
            "--web-port",
            metavar="PORT",
            min=0,
            max=65535,
            help="The port of the Web UI (default: 8080, or the next that is free).",
            rich_help_panel=_SERVERS,
        ),
    ] = None,
    watched: Annotated[
        list[Path] | None,
        typer.Option(
            "--watch",
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="A directory to watch; repeat it for more (default: the current one).",
        ),
    ] = None,
    reloads: Annotated[bool, typer.Option("--reload/--no-reload", help="Start anew when code changes.")] = True,
    concurrency: flags.Concurrency = None,
    queues: flags.Queues = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            "-t",
            metavar="SECONDS",
            min=0,
            help="How long running jobs and requests may go on at a change or Ctrl-C, before they are cancelled and"
            " jobs are handed back to their queues (default: 1).",
        ),
    ] = None,
    event_loop: flags.EventLoop = None,
    log_format: flags.Format = None,
    verbose: flags.Verbose = False,
    redis: flags.Redis = None,
    config_file: flags.ConfigFile = None,
    environment: flags.Environment = None,
) -> None:
    """Work on an app: worker, Web UI and web app at once, started anew when the code changes.

    Needs `sidelong[dev]`. It uses the Redis that is found; where none runs on this machine, a store inside the process,
    whose jobs are kept until it ends. What does not import is told, and tried again after the next change.

    **Ctrl-C** ends all; a second one waits for neither jobs nor requests, a third leaves at once.

    Exit status: 0 after Ctrl-C; 1 if a Redis elsewhere cannot be used, or with `--no-reload` if the app failed; 2 if
    the command or a setting is wrong.

    For example:

    - `sidelong dev shop.jobs:app`

    - `sidelong dev shop.jobs:app --app shop.web:api`
    """
    # Imported late: `sidelong --help` needs no engine.
    from sidelong.cli.dev.command import run_dev
    from sidelong.cli.dev.options import DevOptions
    from sidelong.cli.run import RunOptions

    run = RunOptions(
        target=target,
        concurrency=concurrency,
        queues=queues or (),
        timeout=timeout,
        redis=redis,
        verbose=verbose,
        event_loop=str(event_loop) if event_loop else None,
        log_format=str(log_format) if log_format else None,
        config_file=config_file,
        environment=environment,
    )
    raise typer.Exit(
        run_dev(
            DevOptions(
                run=run,
                web_app=web_app,
                is_factory=is_factory,
                host=host,
                port=port,
                web_port=web_port,
                watched=watched or (),
                reloads=reloads,
            )
        )
    )
