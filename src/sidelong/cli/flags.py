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


class Order(StrEnum):
    """What the worker of a pidfile can be told."""

    QUIET = "quiet"
    STOP = "stop"
    DUMP = "dump"


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
Health = Annotated[
    str | None,
    typer.Option(
        "--health",
        metavar="HOST:PORT",
        help="Answer probes there over HTTP: /live while the event loop turns, /ready while jobs are fetched.",
    ),
]
Pidfile = Annotated[
    Path | None,
    typer.Option(
        "--pidfile",
        "-P",
        metavar="FILE",
        dir_okay=False,
        help="Write the number of the process there, for `sidelong ctl`; one worker at a time can have the file.",
    ),
]
Logfile = Annotated[
    Path | None,
    typer.Option(
        "--logfile",
        "-L",
        metavar="FILE",
        dir_okay=False,
        help="Append the log to a file instead; once it is moved away, a new one is begun.",
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
App = Annotated[
    str | None,
    typer.Option(
        "--app",
        metavar="TARGET",
        help="The app whose Redis it is, and whose middleware and handlers run: `module:attr` or `path.py[:attr]`.",
        rich_help_panel=_SETTINGS,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
JobClass = Annotated[
    str | None, typer.Option("--class", metavar="NAME", help="Jobs of this class or wire name.", rich_help_panel="Jobs")
]
OfQueue = Annotated[
    str | None,
    typer.Option("--queue", "-q", metavar="NAME", help="Jobs that go to this queue.", rich_help_panel="Jobs"),
]
WithTag = Annotated[
    str | None, typer.Option("--tag", metavar="WORD", help="Jobs with this tag.", rich_help_panel="Jobs")
]
ErrorClass = Annotated[
    str | None,
    typer.Option("--error", metavar="CLASS", help="Jobs whose last error has this class.", rich_help_panel="Jobs"),
]
Text = Annotated[
    str | None,
    typer.Option("--text", metavar="TEXT", help="Jobs with this text anywhere in them.", rich_help_panel="Jobs"),
]
Jids = Annotated[list[str] | None, typer.Argument(metavar="JID", help="Ids of jobs.")]
FromPlace = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="PLACE",
        help="Where the jobs are: retry, dead, scheduled, running, or a queue (`queue:dead` for one of such a name).",
    ),
]
AllOfThem = Annotated[bool, typer.Option("--all", help="All jobs there.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
