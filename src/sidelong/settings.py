"""Settings from outside the code: the environment, which is read here and nowhere else, and the settings file.

Code comes before the environment, the environment before the file, and the file before the defaults; what flags say
comes before all of them, and is given to the worker. docs/settings.md tells users.
"""

import difflib
import os
import re
import stat
import tomllib
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from sidelong.core.config import Config
from sidelong.core.queue_names import Queues, parse_queues
from sidelong.core.written_settings import SETTING_TYPES, Written, evaluate, read_tables
from sidelong.errors import ConfigurationError, SettingSourceError

CODE: Final = "code"
DEFAULT: Final = "default"
FILE_VARIABLE: Final = "SIDELONG_CONFIG"
ENVIRONMENT_VARIABLE: Final = "SIDELONG_ENV"
DEFAULT_ENVIRONMENT: Final = "development"

_PREFIX: Final = "SIDELONG_"
_OWN_FILE: Final = "sidelong.toml"
_PROJECT_FILE: Final = "pyproject.toml"
_PROJECT_TABLE: Final = "tool.sidelong"
_DIRECTORY: Final = "name of the directory"
_LEAST_LIKENESS: Final = 0.85


@dataclass(frozen=True, slots=True)
class EffectiveSettings:
    """The settings of an application.

    Attributes:
        config: their values.
        sources: where each comes from: `code`, a variable, a file and its section, or `default`.
    """

    config: Config
    sources: Mapping[str, str]


def resolve(given: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> EffectiveSettings:
    """Return all settings: those given by code, then those of the environment, the file and the defaults.

    What a stronger layer says is not looked at in a weaker one.

    Raises:
        SettingSourceError: a setting of the environment or the file cannot be read or cannot work.
        ConfigurationError: one of `given` cannot work.
    """
    outside = _Outside(environ)
    values = dict(given)
    sources = dict.fromkeys(given, CODE)
    for name in SETTING_TYPES:
        if name not in given and (written := outside.find(name)) is not None:
            values[name] = evaluate(name, written, environ)
            sources[name] = written.where
    if "tag" not in values and (tag := _directory_name()):
        values["tag"], sources["tag"] = tag, _DIRECTORY
    try:
        config = Config(**values)
    except ConfigurationError as error:
        raise from_outside(error, *_outside_names(str(error), sources)) from None
    ordered = {each.name: sources.get(each.name, DEFAULT) for each in fields(Config)}
    return EffectiveSettings(config, ordered)


def environment_and_file(environ: Mapping[str, str] = os.environ) -> tuple[str, Path | None]:
    """Return the name of the environment, and the settings file, None where there is none.

    Raises:
        SettingSourceError: the file cannot be read.
    """
    outside = _Outside(environ)
    return outside.environment, outside.file


def from_outside(error: ConfigurationError, *sources: str) -> ConfigurationError:
    """Return an error that says where the settings stand that it is about, or itself if they stand in code."""
    named = [source for source in dict.fromkeys(sources) if source not in (CODE, DEFAULT)]
    return SettingSourceError(f"{', '.join(named)}: {error}") if named else error


def log_format(environ: Mapping[str, str] = os.environ) -> str:
    """Return how the log is written until code can say otherwise; what cannot be read says nothing."""
    try:
        written = _Outside(environ).find("log_format")
        value = "auto" if written is None else evaluate("log_format", written, environ)
    except ConfigurationError:
        return "auto"
    return str(value)


def web_credentials(environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return user and password of the pages, each empty where it is not set."""
    return environ.get("SIDELONG_WEB_USERNAME", ""), environ.get("SIDELONG_WEB_PASSWORD", "")


def prefer(
    *, file: Path | None = None, environment: str | None = None, environ: MutableMapping[str, str] = os.environ
) -> None:
    """Make all applications of this process, and the programs it starts, use this file and this environment.

    To be called before the first application is made.
    """
    if file is not None:
        environ[FILE_VARIABLE] = str(file.absolute())
    if environment is not None:
        environ[ENVIRONMENT_VARIABLE] = environment


def oversights(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return what looks misspelt, a sentence each: variables like one of ours, an environment like one of the file.

    Other variables that begin as ours do are none of our business: Kubernetes makes such for a service called
    `sidelong`. A file need not have a section for every environment.

    Raises:
        SettingSourceError: the file cannot be read.
    """
    known = {FILE_VARIABLE, ENVIRONMENT_VARIABLE, *map(_variable, SETTING_TYPES)}
    strangers = [name for name in environ if name.startswith(_PREFIX) and name not in known]
    sentences = [
        f"the variable {name} says nothing; did you mean {alike}?"
        for name in strangers
        for alike in difflib.get_close_matches(name, known, n=1, cutoff=_LEAST_LIKENESS)
    ]
    outside = _Outside(environ)
    if outside.file is not None and outside.environment not in outside.sections:
        sentences += [
            f"{_shown(outside.file)} has no section for the environment {outside.environment}; did you mean {alike}?"
            for alike in difflib.get_close_matches(outside.environment, outside.sections, n=1)
        ]
    return sentences


@dataclass(frozen=True, slots=True)
class LogSurroundings:
    """What the environment says about the log of this process.

    Attributes:
        colours: whether a pretty log has colours (`NO_COLOR`, `FORCE_COLOR`, `TERM`); None where a terminal decides.
        timestamps: False where the platform adds them (`DYNO`).
        wants_debug: whether systemd was told to run this service with a debug log (`DEBUG_INVOCATION`).
    """

    colours: bool | None
    timestamps: bool
    wants_debug: bool


def log_surroundings(environ: Mapping[str, str] = os.environ) -> LogSurroundings:
    """Return what the environment says about the log; `NO_COLOR` comes before `FORCE_COLOR`."""
    colours = None
    if environ.get("NO_COLOR"):
        colours = False
    elif environ.get("FORCE_COLOR", "0") not in ("", "0"):
        colours = True
    elif environ.get("TERM") == "dumb":
        colours = False
    return LogSurroundings(
        colours=colours,
        timestamps=not environ.get("DYNO"),
        wants_debug=environ.get("DEBUG_INVOCATION") == "1",
    )


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """What systemd has told this process.

    Attributes:
        notify_socket: where it wants to be told of its state (`NOTIFY_SOCKET`); empty for nowhere.
        watchdog: seconds within which it wants a sign of life (`WATCHDOG_USEC`); None if it does not.
    """

    notify_socket: str
    watchdog: float | None


def service_manager(environ: Mapping[str, str] = os.environ) -> ServiceManager:
    """Return what systemd has told this process; what is meant for another, or cannot be read, says nothing."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    is_for_us = environ.get("WATCHDOG_PID") in (None, "", str(os.getpid()))
    watched = is_for_us and re.fullmatch(r"[1-9]\d{0,17}", microseconds, re.ASCII)
    address = environ.get("NOTIFY_SOCKET", "")
    return ServiceManager(
        # Others, such as vsock:, are for virtual machines.
        notify_socket=address if address.startswith(("/", "@")) else "",
        watchdog=int(microseconds) / 1_000_000 if watched else None,
    )


def resque_queues(source: str, environ: Mapping[str, str] = os.environ) -> tuple[str, Queues] | None:
    """Return which of Resque's variables names queues, and these; None if neither does.

    They are for `sidelong run` alone: any program may have a variable of such a name.

    Args:
        source: where the queues come from otherwise; code and our own variable are stronger.
        environ: the environment.

    Raises:
        SettingSourceError: one cannot work.
    """
    if source in (CODE, _variable("queues")):
        return None
    for variable in ("QUEUES", "QUEUE"):
        # One that is named twice is asked twice by Resque, which comes to the same.
        names = list(dict.fromkeys(filter(None, map(str.strip, environ.get(variable, "").split(",")))))
        if names == ["*"]:
            # Those of all jobs.
            return variable, ()
        if names:
            return variable, _resque_names(variable, names)
    return None


def refuse_several_processes(environ: Mapping[str, str] = os.environ) -> None:
    """Refuse what Resque's `COUNT` asks for, if that is more than one process.

    Raises:
        SettingSourceError: it is.
    """
    count = environ.get("COUNT", "").strip()
    if re.fullmatch(r"0*([2-9]|[1-9]\d+)", count, re.ASCII):
        raise SettingSourceError(
            f"COUNT is {count}, but a command is one worker process here: start as many as you need, and unset COUNT"
        )


def _resque_names(variable: str, names: list[str]) -> Queues:
    for name in names:
        if "://" in name:
            # It may hold a password.
            raise SettingSourceError(f"{variable} must hold names of queues, and holds a URL")
        if "*" in name or name.startswith("!"):
            raise SettingSourceError(
                f"{variable}: {name!r}: patterns are not understood: name the queues, or write * alone for those of"
                " all jobs"
            )
    try:
        return parse_queues(names)
    except ConfigurationError as error:
        raise SettingSourceError(f"{variable}: {error}") from None


class _Outside:
    """What the environment and the settings file say."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.environment = environ.get(ENVIRONMENT_VARIABLE) or environ.get("APP_ENV") or DEFAULT_ENVIRONMENT
        self.file, content = _settings_file(environ)
        environments = content.get("env")
        self.sections = sorted(environments) if isinstance(environments, dict) else []
        self._file_settings: dict[str, Written] = {}
        if self.file is not None:
            section = _PROJECT_TABLE if self.file.name == _PROJECT_FILE else ""
            self._file_settings = read_tables(
                content, file=_shown(self.file), section=section, environment=self.environment
            )

    def find(self, name: str) -> Written | None:
        """Return a setting as it is written, the environment first; an empty variable counts as unset."""
        return self._in_environment(name) or self._file_settings.get(name)

    def _in_environment(self, name: str) -> Written | None:
        variables = [_variable(name)]
        if name == "hostname":
            variables.append("DYNO")
        for variable in variables:
            if text := self._environ.get(variable):
                return Written(text, variable, name, is_variable=True)
        return self._redis_url() if name == "redis_url" else None

    def _redis_url(self) -> Written | None:
        provider = self._environ.get("REDIS_PROVIDER")
        if provider and ":" in provider:
            # The value may hold a password, so the message does not repeat it.
            raise SettingSourceError(
                "REDIS_PROVIDER must be the name of the variable that holds the Redis URL, not the URL itself; "
                "put the URL in REDIS_URL"
            )
        variable = provider or "REDIS_URL"
        if url := self._environ.get(variable):
            return Written(url, variable, "redis_url", is_variable=True)
        if provider:
            raise SettingSourceError(f"REDIS_PROVIDER names the variable {provider}, which is not set")
        return None


def _variable(name: str) -> str:
    return _PREFIX + name.upper()


def _outside_names(message: str, sources: Mapping[str, str]) -> Iterator[str]:
    """Yield where the settings stand that a message names."""
    for name, source in sources.items():
        if re.search(rf"\b{name}\b", message):
            yield source


def _settings_file(environ: Mapping[str, str]) -> tuple[Path | None, dict[str, Any]]:
    """Return the settings file and its table of settings; None and nothing where there is no file."""
    named = environ.get(FILE_VARIABLE)
    if named and not Path(named).is_file():
        raise SettingSourceError(f"{FILE_VARIABLE} names {named}, which is no file")
    for path in [Path(named)] if named else _places():
        content = _parse(path)
        if content is not None:
            return path, content
        if named:
            raise SettingSourceError(f"{FILE_VARIABLE} names {named}, which has no [{_PROJECT_TABLE}]")
    return None, {}


def _places() -> Iterator[Path]:
    """Yield files that may hold settings: in this directory and those above it, the nearest first.

    The search ends with the root of a repository, and before a directory to which everybody may write.
    """
    # A directory that is gone, or that this user may not see, holds no settings.
    with suppress(OSError):
        here = Path.cwd()
        for directory in (here, *here.parents):
            if directory != here and directory.stat().st_mode & stat.S_IWOTH:
                return
            for name in (_OWN_FILE, _PROJECT_FILE):
                if (path := directory / name).is_file():
                    yield path
            if (directory / ".git").exists():
                return


def _parse(path: Path) -> dict[str, Any] | None:
    """Return the table with the settings, or None if it is a project's file without one."""
    try:
        text = path.read_bytes()
        # What others have written need not be right.
        if path.name == _PROJECT_FILE and b"sidelong" not in text:
            return None
        content = tomllib.loads(text.decode())
    except OSError as error:
        raise SettingSourceError(f"{_shown(path)} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise SettingSourceError(f"{_shown(path)} is not TOML: {error}") from None
    if path.name != _PROJECT_FILE:
        return content
    tools = content.get("tool")
    table = tools.get("sidelong") if isinstance(tools, dict) else None
    return table if isinstance(table, dict) else None


def _shown(path: Path) -> str:
    """Return how messages call a file: as short as it can be from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, FileNotFoundError):
        return str(path)


def _directory_name() -> str:
    """Return the name of the current directory; of the application's where that is a release made by Capistrano."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return ""
    is_release = here.parent.name == "releases" and here.name.isdecimal()
    return (here.parents[1] if is_release else here).name
