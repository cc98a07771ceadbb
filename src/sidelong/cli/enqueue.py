"""`sidelong enqueue`: one job, from the command line into Redis."""

import asyncio
import json
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from sidelong.app import Sidelong
from sidelong.cli.event_loop import EventLoop, choose_event_loop
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.loading import FailedImportError, TargetError, is_target, load_app, load_job
from sidelong.cli.moments import read_duration, read_instant
from sidelong.client.job import Job
from sidelong.client.schedule import instant
from sidelong.core.options import JobOptions
from sidelong.core.setting_checks import did_you_mean
from sidelong.errors import (
    ArgumentError,
    ConfigurationError,
    InvalidPayloadError,
    NotEnqueued,
    PayloadTooLargeError,
    PushError,
    SidelongError,
    StoreError,
)
from sidelong.settings import prefer


@dataclass(frozen=True)
class EnqueueOptions:
    """What the command line asks for; what is None stays as the job and the app have it."""

    target: str
    arguments: Sequence[str]
    are_strings: bool = False
    delay: str | None = None
    at: str | None = None
    queue: str | None = None
    app: str | None = None
    redis: str | None = None
    config_file: Path | None = None
    environment: str | None = None


@dataclass(frozen=True)
class _Call:
    """What is to be enqueued: the job if it is known, else its wire name."""

    app: Sidelong
    job: Job[..., Any] | str
    arguments: Sequence[Any]
    options: dict[str, Any]
    event_loop: EventLoop


def enqueue(options: EnqueueOptions) -> ExitStatus:
    """Enqueue a job, print its id alone on stdout, and return the exit status."""
    try:
        call = _prepare(options)
    except FailedImportError as error:
        sys.stderr.write(error.traceback)
        return _told(error, ExitStatus.FAILED)
    except (TargetError, SidelongError, TypeError, ValueError) as error:
        return _told(error, ExitStatus.MISUSED)
    try:
        with asyncio.Runner(loop_factory=call.event_loop.make) as runner:
            jid = runner.run(_push(call))
    except (ArgumentError, ConfigurationError, InvalidPayloadError, PayloadTooLargeError) as error:
        return _told(error, ExitStatus.MISUSED)
    except NotEnqueued as error:
        return _told(error, ExitStatus.FAILED)
    except (PushError, StoreError) as error:
        return _told(error, ExitStatus.UNCERTAIN)
    except Exception:
        traceback.print_exc()
        return _told("a client middleware failed: the job may or may not be stored", ExitStatus.UNCERTAIN)
    except KeyboardInterrupt:
        _told("interrupted: the job may or may not be stored", ExitStatus.UNCERTAIN)
        raise
    if jid is None:
        return _told("a client middleware stopped the job: nothing was stored", ExitStatus.STOPPED)
    if isinstance(call.job, str) and "queue" not in call.options:
        # The job may be meant for another, and a worker that does not serve this one never takes it.
        queue = JobOptions.merge(call.app.config.default_job_options).queue
        _told(
            f"nothing is known of {call.job} here: it is in the queue {queue!r}, and -q names another", ExitStatus.DONE
        )
    _print_id(jid)
    return ExitStatus.DONE


def read_arguments(texts: Sequence[str], *, are_strings: bool) -> list[Any]:
    """Return arguments as they were typed: what is JSON as its value, and all else as a string.

    Args:
        texts: the words of the command line.
        are_strings: whether all of them are strings.
    """
    return list(texts) if are_strings else [_value(text) for text in texts]


def _prepare(options: EnqueueOptions) -> _Call:
    """Read the command line and load what it names; no connection is made."""
    prefer(file=options.config_file, environment=options.environment)
    arguments: Sequence[Any] = read_arguments(options.arguments, are_strings=options.are_strings)
    app, job = _find(options)
    if options.redis:
        app.use_redis(options.redis)
    if app.config.redis_url.startswith("memory://"):
        raise ConfigurationError(
            "memory:// ends with this command, and the job with it: use a real Redis, as --redis does"
        )
    if isinstance(job, Job):
        # They come as JSON, as in a payload: this tells what does not fit before anything is sent.
        try:
            arguments = job.convert(list(arguments))
        except ArgumentError as error:
            raise ArgumentError(f"{error} (what is JSON is read as JSON: '\"42\"' is a string)") from None
        job.bind(arguments)
    changes: dict[str, Any] = {} if options.queue is None else {"queue": options.queue}
    if (due := _due(options, app)) is not None:
        changes["at"] = instant(due)
    event_loop = choose_event_loop(app.config.event_loop, app.sources["event_loop"])
    return _Call(app, job, arguments, changes, event_loop)


def _find(options: EnqueueOptions) -> tuple[Sidelong, Job[..., Any] | str]:
    app = None if options.app is None else load_app(options.app)
    if is_target(options.target):
        return load_job(options.target, app)
    if app is None:
        return Sidelong(), options.target
    if options.target not in app.registry:
        alike = did_you_mean(options.target, (job.name for job in app.registry))
        raise ConfigurationError(
            f"{options.app} has no job {options.target!r}{alike or '; leave --app out for a job in another language'}"
        )
    return app, app.registry.get(options.target)


def _due(options: EnqueueOptions, app: Sidelong) -> float | None:
    if options.delay is not None and options.at is not None:
        raise ConfigurationError("give --in or --at, not both")
    if options.delay is not None:
        return app.client.clock.now() + read_duration(options.delay)
    return None if options.at is None else read_instant(options.at)


async def _push(call: _Call) -> str | None:
    async with call.app:
        reference = await call.app.enqueue(call.job, *call.arguments, **call.options)
    return None if reference is None else reference.jid


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return text


def _no_json(name: str) -> Any:
    """Python reads NaN and Infinity, which are not JSON."""
    raise ValueError(name)


def _print_id(jid: str) -> None:
    if not _write(sys.stdout, jid):
        _told(f"the job {jid} is stored, but its id cannot be printed", ExitStatus.DONE)


def _told(error: Exception | str, status: ExitStatus) -> ExitStatus:
    _write(sys.stderr, f"sidelong: {error}")
    return status


def _write(stream: TextIO | None, line: str) -> bool:
    """Write a line; return whether that was possible. A failure would have a script enqueue the job again."""
    # Python has no stream where the command was started with a closed one.
    if stream is None:
        return False
    try:
        stream.write(f"{line}\n")
        stream.flush()
    except OSError:
        # Python would fail at its end, when it flushes once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return False
    return True
