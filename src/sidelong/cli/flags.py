"""The flags that several commands take, each with one spelling and one help."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

_SETTINGS = "Settings"


class LogFormat(StrEnum):
    """How a log can be written."""

    AUTO = "auto"
    PRETTY = "pretty"
    PLAIN = "plain"
    JSON = "json"


class Loop(StrEnum):
    """An event loop that can be asked for."""

    AUTO = "auto"
    ASYNCIO = "asyncio"
    UVLOOP = "uvloop"


Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", "-c", metavar="N", min=1, help="How many jobs run at once (default: 10)."),
]
Queues = Annotated[
    list[str] | None,
    typer.Option(
        "--queue",
        "-q",
        metavar="NAME[,WEIGHT]",
        help="A queue to serve; repeat it for more. With weights, a queue of weight 3 gets three times"
        " the share of one of weight 1; without, an earlier queue always goes first. (default: the"
        " queues of all jobs in the app, and `default`)",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        "-t",
        metavar="SECONDS",
        min=0,
        help="How long running jobs may go on after TERM or Ctrl-C, before they are cancelled and handed"
        " back to their queues (default: 25).",
    ),
]
Tag = Annotated[
    str | None,
    typer.Option(
        "--tag",
        "-g",
        metavar="NAME",
        help="Shown beside the process on Sidekiq's pages (default: the directory's name).",
    ),
]
Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="WORD", help="Shown there as well; repeat it for more.")
]
EventLoop = Annotated[
    Loop | None,
    typer.Option(
        "--loop",
        metavar="LOOP",
        help="auto, asyncio or uvloop (default: auto, that is uvloop where it is installed).",
    ),
]
Format = Annotated[
    LogFormat | None,
    typer.Option(
        "--log-format",
        metavar="FORMAT",
        help="auto, pretty, plain or json (default: auto, that is pretty on a terminal and plain elsewhere).",
    ),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log at DEBUG.")]
Redis = Annotated[
    str | None,
    typer.Option(
        "--redis",
        metavar="URL",
        help="Redis to use instead of the app's own. Whoever can list processes sees a password in it:"
        " put that into REDIS_URL instead.",
        rich_help_panel=_SETTINGS,
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="The settings file (default: the nearest `sidelong.toml`, or `pyproject.toml` with"
        " `[tool.sidelong]`, from here upwards).",
        rich_help_panel=_SETTINGS,
    ),
]
Environment = Annotated[
    str | None,
    typer.Option(
        "--env",
        "-e",
        metavar="NAME",
        help="Which `[env.NAME]` of the settings file holds (default: SIDELONG_ENV, APP_ENV or development).",
        rich_help_panel=_SETTINGS,
    ),
]
