"""How a job is shown to people: its own class and arguments where an adapter wraps it, and no secrets.

Which wrappers there are is in wire-format §3.4.
"""

import re
from typing import Any, Final

from sidelong.core.redaction import HIDDEN

ENCRYPTED: Final = "[encrypted data]"
NO_CLASS: Final = "(no class)"

# Tuples: what is looked up may be an object, which has no hash.
_ACTIVE_JOB: Final = ("ActiveJob::QueueAdapters::SidekiqAdapter::JobWrapper", "Sidekiq::ActiveJob::Wrapper")
_MAILER_JOBS: Final = ("ActionMailer::DeliveryJob", "ActionMailer::MailDeliveryJob")
_MAILER_WORDS: Final = 3
"""A mailer's arguments begin with its class, its method, and how it is delivered."""

_DELAYED: Final = "Sidekiq::Extensions::Delayed"
# A YAML list of the target, the method and its arguments; YAML itself is never loaded.
_DELAYED_CALL: Final = re.compile(r"\A---\n- !ruby/(?:class|module) '([\w:]+)'\n- :([\w?!=]+)\n")

_SECRET: Final = re.compile(
    r"passw|passphrase|\bpwd\b|secret|token|api[-_ ]?key|access[-_ ]?key|private[-_ ]?key|authori[sz]ation|credential"
    r"|\bcookie\b|\bcvv\b",
    re.IGNORECASE,
)
_MARKS: Final = frozenset({"_aj_symbol_keys", "_aj_ruby2_keywords", "_aj_hash_with_indifferent_access"})


def display_class(item: dict[str, Any]) -> str:
    """Return the class by which people know a job."""
    for name in (item.get("display_class"), _unwrapped_class(item), item.get("wrapped"), item.get("class")):
        if type(name) is str and name:
            return name
    return NO_CLASS


def display_arguments(item: dict[str, Any]) -> list[Any]:
    """Return the arguments by which people know a job, without what looks like a secret.

    Values whose key looks like that of a password, token or the like are `***`, at any depth; the last argument of a
    job with `encrypt` is `[encrypted data]`.
    """
    arguments = item.get("args")
    if type(arguments) is not list:
        return []
    if item.get("encrypt"):
        return [without_secrets(argument) for argument in arguments[:-1]] + [ENCRYPTED] * bool(arguments)
    if item.get("class") in _ACTIVE_JOB:
        arguments = _unwrapped_arguments(arguments)
    return [without_secrets(argument) for argument in arguments]


def _unwrapped_class(item: dict[str, Any]) -> str | None:
    name, arguments = item.get("class"), item.get("args")
    first = arguments[0] if type(arguments) is list and arguments else None
    if name in _ACTIVE_JOB and type(first) is dict:
        inner = item.get("wrapped") or first.get("job_class")
        called = first.get("arguments")
        if inner in _MAILER_JOBS and type(called) is list and all(type(word) is str for word in called[:2]):
            return "#".join(called[:2])
        return inner if type(inner) is str else None
    if type(name) is str and name.startswith(_DELAYED) and type(first) is str:
        call = _DELAYED_CALL.match(first)
        return f"{call[1]}.{call[2]}" if call else None
    return None


def _unwrapped_arguments(arguments: list[Any]) -> list[Any]:
    first = arguments[0] if arguments else None
    inner = first.get("arguments") if type(first) is dict else None
    if type(first) is not dict or type(inner) is not list:
        return arguments
    if first.get("job_class") not in _MAILER_JOBS:
        return inner
    given = inner[_MAILER_WORDS:]
    if len(given) == 1 and type(given[0]) is dict and {"params", "args"} & given[0].keys():
        return [given[0][key] for key in ("params", "args") if key in given[0]]
    return given


def is_secret(name: str) -> bool:
    """Tell whether a key looks like that of a password, token or the like."""
    return _SECRET.search(name) is not None


def without_secrets(value: Any) -> Any:
    """Return a value with `***` in the place of what looks like a secret by its key, at any depth."""
    if type(value) is list:
        return [without_secrets(element) for element in value]
    if type(value) is not dict:
        return value
    if type(value.get("_aj_globalid")) is str:
        return value["_aj_globalid"]
    return {
        key: HIDDEN if is_secret(key) else without_secrets(inner) for key, inner in value.items() if key not in _MARKS
    }
