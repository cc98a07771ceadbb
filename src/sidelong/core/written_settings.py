"""Settings as they stand in a variable or in the settings file, and what they say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from sidelong.core.config import Capsule, Config, check_setting
from sidelong.core.options import JobOptions
from sidelong.core.placeholders import fill_in, has_placeholder
from sidelong.core.setting_checks import did_you_mean
from sidelong.core.setting_texts import from_text
from sidelong.errors import ConfigurationError, SettingSourceError

SETTING_TYPES: Final[Mapping[str, Any]] = {each.name: each.type for each in fields(Config)}
ENVIRONMENTS: Final = "env"
"""The key of the table whose tables hold for one environment each."""

_SHORT_NAMES: Final = {"redis": "redis_url"}
_CAPSULE_TYPES: Final[Mapping[str, Any]] = {each.name: each.type for each in fields(Capsule) if each.name != "name"}
_OPTION_TYPES: Final[Mapping[str, Any]] = {each.name: each.type for each in fields(JobOptions) if each.name != "extra"}
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")


@dataclass(frozen=True, slots=True)
class Written:
    """A setting that was found outside the code.

    Attributes:
        value: text, or what TOML makes of it.
        where: the variable, or the file and its section.
        key: how the setting is called there.
        is_variable: whether it is text that stands for a value of the setting's type.
    """

    value: Any
    where: str
    key: str
    is_variable: bool = False


def read_tables(content: Mapping[str, Any], *, file: str, section: str, environment: str) -> dict[str, Written]:
    """Return the settings of a file by name; the section of the environment is laid over the others key by key.

    Args:
        content: the table that holds them.
        file: how messages call the file.
        section: the name of the table; empty for the whole file.
        environment: whose section holds.

    Raises:
        SettingSourceError: a key is no setting. All sections are looked at, whichever holds.
    """
    sections = content.get(ENVIRONMENTS, {})
    if not isinstance(sections, dict) or not all(isinstance(each, dict) for each in sections.values()):
        raise SettingSourceError(f"{file}: {ENVIRONMENTS} must hold tables, as in [env.production]")
    common = {key: value for key, value in content.items() if key != ENVIRONMENTS}
    settings = _named(common, f"{file} [{section}]" if section else file)
    prefix = f"{section}." if section else ""
    for name, table in sections.items():
        named = _named(table, f"{file} [{prefix}{ENVIRONMENTS}.{name}]")
        if name == environment:
            settings |= named
    return settings


def evaluate(name: str, written: Written, variables: Mapping[str, str]) -> Any:
    """Return the value of a setting that was found outside the code.

    Args:
        name: the setting.
        written: what was found.
        variables: what placeholders refer to.

    Raises:
        SettingSourceError: it cannot work; the message names the place and hides what may be a secret.
    """
    reader = _Reader(variables)
    try:
        if written.is_variable:
            value = from_text(written.key, SETTING_TYPES[name], written.value, shown=repr(written.value))
        else:
            value = reader.setting(name, written)
        value = check_setting(name, value, called=written.key)
        if name == "default_job_options":
            JobOptions.merge(value)
    except ConfigurationError as error:
        message = reader.hidden(str(error))
        if "://" in message:
            # Where a URL stands by mistake, there is no telling what in it is a password.
            message = f"{written.key} {'must be one string' if name == 'redis_url' else 'cannot be a URL'}"
        elif not message.startswith(written.key):
            message = f"{written.key}: {message}"
        raise SettingSourceError(f"{written.where}: {message}") from None
    return value


def _named(table: Mapping[str, Any], where: str) -> dict[str, Written]:
    found: dict[str, Written] = {}
    for key, value in table.items():
        name = _SHORT_NAMES.get(key, key)
        if name not in SETTING_TYPES:
            raise SettingSourceError(f"{where}: there is no setting {key!r}{did_you_mean(key, SETTING_TYPES)}")
        if name in found:
            raise SettingSourceError(f"{where}: {found[name].key!r} and {key!r} are the same setting: keep one of them")
        found[name] = Written(value, where, key)
    return found


class _Reader:
    """Makes of TOML what `Config` takes, and remembers what placeholders stood for."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._filled: dict[str, str] = {}

    def setting(self, name: str, written: Written) -> Any:
        """Return one setting; `Config` still has to check it."""
        value = written.value
        if name == "capsules":
            return self._capsules(value)
        if name == "default_job_options" and isinstance(value, dict):
            return {option: self._value(option, _OPTION_TYPES.get(option, str), each) for option, each in value.items()}
        return self._value(written.key, SETTING_TYPES[name], value)

    def hidden(self, message: str) -> str:
        """Return a message that quotes placeholders instead of what stood in their place, or a part of it."""

        def replace(quoted: re.Match[str]) -> str:
            word = quoted[0][1:-1]
            return next((repr(text) for filled, text in self._filled.items() if word and word in filled), quoted[0])

        for filled, text in self._filled.items():
            message = message.replace(repr(filled), repr(text))
        return _QUOTED.sub(replace, message)

    def _value(self, name: str, kind: Any, value: Any) -> Any:
        if isinstance(value, str) and has_placeholder(value):
            return from_text(name, kind, self._fill_in(name, value), shown=repr(value))
        if isinstance(value, list):
            return [self._value(name, str, each) for each in value]
        if isinstance(value, dict):
            return {key: self._value(name, str, each) for key, each in value.items()}
        return value

    def _fill_in(self, name: str, text: str) -> str:
        try:
            filled = fill_in(text, self._variables)
        except ConfigurationError as error:
            raise ConfigurationError(f"{name} {error}") from None
        self._filled[filled] = text
        return filled

    def _capsules(self, tables: Any) -> tuple[Capsule, ...]:
        if not isinstance(tables, dict) or not all(isinstance(each, dict) for each in tables.values()):
            raise ConfigurationError("capsules must hold a table for each capsule, as in [capsules.slow]")
        return tuple(self._capsule(name, table) for name, table in tables.items())

    def _capsule(self, name: str, table: Mapping[str, Any]) -> Capsule:
        for key in table:
            if key not in _CAPSULE_TYPES:
                raise ConfigurationError(f"capsule {name!r} has no setting {key!r}{did_you_mean(key, _CAPSULE_TYPES)}")
        for key in _CAPSULE_TYPES:
            if key not in table:
                raise ConfigurationError(f"capsule {name!r} needs {key}")
        return Capsule(name=name, **{key: self._value(key, _CAPSULE_TYPES[key], each) for key, each in table.items()})
