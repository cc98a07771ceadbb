"""`sidelong config`: the settings that hold, and where each comes from."""

import json
import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final

from sidelong.app import Sidelong
from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.failures import tell_failure
from sidelong.cli.loading import TargetError, load_app
from sidelong.cli.run import RunOptions, choose_queues
from sidelong.core.config import Capsule, Config
from sidelong.core.redaction import redacted
from sidelong.errors import ConfigurationError
from sidelong.settings import CODE, environment_and_file, oversights, prefer, refuse_several_processes

_FLAGS: Final = {
    "redis_url": "--redis",
    "concurrency": "--concurrency",
    "queues": "--queue",
    "timeout": "--timeout",
    "tag": "--tag",
    "labels": "--label",
    "event_loop": "--loop",
    "log_format": "--log-format",
    "health": "--health",
}
_NOTHING: Final = "-"


def show_config(options: RunOptions, *, as_json: bool) -> ExitStatus:
    """Print what `sidelong run` with these options would run with, and return the exit status.

    Args:
        options: as for `run`; without a target, what `Sidelong()` would be made with here.
        as_json: whether a program reads it.
    """
    try:
        prefer(file=options.config_file, environment=options.environment)
        if options.target:
            refuse_several_processes()
        app = load_app(options.target) if options.target else Sidelong()
        config, sources = _with_flags(app, options)
        environment, file = environment_and_file()
    except (TargetError, ConfigurationError) as error:
        return tell_failure(error)
    for sentence in oversights():
        sys.stderr.write(f"sidelong: {sentence}\n")
    values = {each.name: _plain(each.name, getattr(config, each.name)) for each in fields(Config)}
    if sources["redis_url"] == CODE:
        # Code may have given a client: what it connects to is not in the settings.
        values["redis_url"] = app.store.address
    if as_json:
        _print_json(values, sources, environment, None if file is None else str(file))
    else:
        _print_table(values, sources, environment, _NOTHING if file is None else str(file))
    return ExitStatus.DONE


def _with_flags(app: Sidelong, options: RunOptions) -> tuple[Config, dict[str, str]]:
    settings = options.settings()
    if options.redis:
        app.use_redis(options.redis)
    flags = [*settings, *(["redis_url"] if options.redis else [])]
    sources = {**app.sources, **{name: _FLAGS[name] for name in flags}}
    # Without a target it is not about a worker.
    if options.target and (variable := choose_queues(settings, app)) is not None:
        sources["queues"] = variable
    given: dict[str, Any] = {**settings}
    return replace(app.config, **given), sources


def _plain(name: str, value: Any) -> Any:
    """Return a value as JSON can carry it, without secrets."""
    if name == "redis_url":
        return redacted(value)
    if name == "queues":
        return [_queue(*queue) for queue in value]
    if name == "capsules":
        return {each.name: _capsule(each) for each in value}
    if name == "transient":
        return [each.__qualname__ for each in value]
    if isinstance(value, Mapping):
        return {key: each if _is_json(each) else repr(each) for key, each in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _capsule(capsule: Capsule) -> dict[str, Any]:
    return {"concurrency": capsule.concurrency, "queues": [_queue(*queue) for queue in capsule.queues]}


def _queue(name: str, weight: int) -> str:
    return f"{name},{weight}" if weight else name


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _print_json(values: Mapping[str, Any], sources: Mapping[str, str], environment: str, file: str | None) -> None:
    settings = {name: {"value": value, "source": sources[name]} for name, value in values.items()}
    document = {"environment": environment, "file": file, "settings": settings}
    sys.stdout.write(f"{json.dumps(document, indent=2)}\n")


def _print_table(values: Mapping[str, Any], sources: Mapping[str, str], environment: str, file: str) -> None:
    shown = {name: _shown(value) for name, value in values.items()}
    first = max(map(len, shown))
    # A long value pushes its own source to the right, and no other.
    second = max(len(text) for text in shown.values() if len(text) <= 30)
    sys.stdout.write(f"{'environment':{first}}  {environment}\n{'file':{first}}  {file}\n\n")
    sys.stdout.write(f"{'SETTING':{first}}  {'VALUE':{second}}  FROM\n")
    for name, text in shown.items():
        sys.stdout.write(f"{name:{first}}  {text:{second}}  {sources[name]}\n")


def _shown(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return _NOTHING
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return value if isinstance(value, str) else json.dumps(value)
