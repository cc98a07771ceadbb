"""Make a complete payload of what a caller pushes, by Sidekiq's rules (wire-format §4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from sidelong.client.schedule import instant
from sidelong.core.identity import new_jid
from sidelong.core.options import JobOptions, check_queue_name
from sidelong.errors import InvalidPayloadError


@runtime_checkable
class Enqueueable(Protocol):
    """Something registered that may stand as `class` in a push: a `Job`, or a `JobClass`."""

    def payload_head(self) -> dict[str, Any]:
        """Return the options of the job as its payloads state them, then its `class`."""
        ...


def normalise(item: Mapping[str, Any], defaults: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Return a complete payload: options, then the given keys, then jid and creation time where missing.

    Args:
        item: at least `class` and `args`; a `class` given as a string takes only the global defaults.
        defaults: the global default options.
        now: the present, in epoch seconds.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field is missing or has an impossible value.
    """
    _check_shape(item)
    target = item["class"]
    head = JobOptions.merge(defaults).to_payload() if isinstance(target, str) else target.payload_head()
    name = head.pop("class", target)
    payload: dict[str, Any] = {**head, **item, "class": name, "args": list(item["args"])}
    check_queue_name(payload["queue"])
    check_due(payload, now)
    payload["jid"] = _checked_jid(payload.get("jid"))
    payload.setdefault("created_at", now)
    return payload


def check_due(item: dict[str, Any], now: float) -> None:
    """Leave `at` in the payload only if it lies in the future, as epoch seconds.

    Raises:
        TypeError: `at` is no number.
        ValueError: `at` is not finite, or beyond the year 9999.
    """
    if (at := item.pop("at", None)) is None:
        return
    if isinstance(at, bool) or not isinstance(at, int | float):
        raise TypeError(f"a job's 'at' must be a number of epoch seconds, not {type(at).__name__}")
    if (seconds := instant(at)) > now:
        item["at"] = seconds


def check_middleware_result(item: Any) -> None:
    """Refuse a payload that a middleware has made unusable.

    Raises:
        TypeError: a field has the wrong type.
        ValueError: a field is missing or has an impossible value.
    """
    _check_shape(item)
    if not isinstance(item["class"], str):
        raise TypeError("middleware must leave a job's 'class' a string")
    check_queue_name(item.get("queue"))
    _checked_jid(item.get("jid"))


@dataclass(frozen=True, slots=True)
class Spoilt:
    """What a middleware has left of a good payload is unusable."""

    reason: Exception


def fault_of(item: Any) -> Exception | None:
    """Return why `check_middleware_result` refuses a payload, None if it does not."""
    try:
        check_middleware_result(item)
    except (TypeError, ValueError) as error:
        return error
    return None


def _check_shape(item: Any) -> None:
    if not isinstance(item, Mapping):
        raise TypeError(f"a job must be a dict with 'class' and 'args', not {type(item).__name__}")
    if not all(isinstance(key, str) for key in item):
        raise TypeError("a job's keys must all be strings")
    if "class" not in item or "args" not in item:
        raise InvalidPayloadError("a job must be a dict with 'class' and 'args'")
    if not isinstance(item["args"], list | tuple):
        raise TypeError(f"a job's 'args' must be a list, not {type(item['args']).__name__}")
    if not isinstance(item["class"], str | Enqueueable):
        raise TypeError("a job's 'class' must be a registered job, or its wire name as a string")
    if item["class"] == "":
        raise InvalidPayloadError("a job's 'class' must not be empty")
    if "queue" in item and not item["queue"]:
        raise InvalidPayloadError("a job must have a queue name")
    tags = item.get("tags")
    if tags is not None and not isinstance(tags, list):
        raise TypeError(f"a job's 'tags' must be a list, not {type(tags).__name__}")


def _checked_jid(jid: Any) -> str:
    if jid is None:
        return new_jid()
    if not isinstance(jid, str):
        raise TypeError(f"a job's 'jid' must be a string, not {type(jid).__name__}")
    # Sidekiq finds jobs with MATCH *jid*, where these characters are wildcards.
    if not jid or any(character in jid for character in "*?[]\\"):
        raise InvalidPayloadError("a job's 'jid' must be a non-empty string without wildcards")
    return jid
