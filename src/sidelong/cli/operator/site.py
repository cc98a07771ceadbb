"""Which Redis a command is for, and what becomes of whatever goes wrong there."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from sidelong.app import Sidelong
from sidelong.cli.event_loop import choose_event_loop
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.failures import tell_failure
from sidelong.cli.loading import TargetError, load_app
from sidelong.cli.operator.output import Output, OutputFailed, tell
from sidelong.cli.option_groups import Site
from sidelong.errors import ConfigurationError, NotSteerableError, StoreError
from sidelong.settings import prefer


class MisuseError(Exception):
    """The command line asks for what cannot be done; the message is one sentence."""


Work = Callable[[Sidelong, Output], Awaitable[ExitStatus]]
"""What a command does, given the app and where to print."""


def run_at(site: Site, work: Work) -> ExitStatus:
    """Do the work of a command in an event loop of its own, and return its exit status.

    A failure that an operator can act on is one sentence on stderr.
    """
    output = Output(sys.stdout)
    try:
        prefer(file=site.config_file, environment=site.environment)
        app = load_app(site.app) if site.app else Sidelong()
        if site.redis:
            app.use_redis(site.redis)
        if app.config.redis_url.startswith("memory://"):
            raise ConfigurationError(
                "memory:// lives inside another process, and cannot be reached from here: use a real Redis"
            )
        event_loop = choose_event_loop(app.config.event_loop, app.sources["event_loop"])
        with asyncio.Runner(loop_factory=event_loop.make) as runner:
            status = runner.run(_work(app, output, work))
        output.flush()
    except OutputFailed as error:
        return error.tell()
    except (TargetError, ConfigurationError, StoreError, MisuseError) as error:
        return tell_failure(error)
    except NotSteerableError as error:
        tell(str(error))
        return ExitStatus.FAILED
    return status


def misused(error: Exception) -> ExitStatus:
    """Say what is wrong with the command line, and return the exit status."""
    tell(str(error))
    return ExitStatus.MISUSED


async def _work(app: Sidelong, output: Output, work: Work) -> ExitStatus:
    async with app:
        return await work(app, output)
