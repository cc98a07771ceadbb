"""What Redis holds as the pages show it: whole, but for what looks like a secret."""

import re
from collections.abc import Mapping
from typing import Any, Final

from sidelong.api.display import without_secrets
from sidelong.api.records import JobRecord
from sidelong.core import serialization
from sidelong.errors import InvalidPayloadError
from sidelong.web.site import Site

LARGEST: Final = 1_000_000
"""Bytes of a payload that is shown as a whole: more would hold up all other requests."""

_SHOWN_ELSEWHERE = frozenset({"error_backtrace"})
# Current attributes of Rails, and the trace.
_CONTEXT: Final = re.compile(r"cattr(?:_\d+)?|traceparent|tracestate")
_MOST_PARTS: Final = 10_000
"""Elements of arguments, at any depth, that a list shows some of."""
_DEEPEST: Final = 3
"""How often a text in JSON may itself be JSON."""


def listed_arguments(site: Site, job: JobRecord) -> list[Any] | None:
    """Return the arguments of a job for a list, as people may see them; None where there are too many of them."""
    if len(job.value) > LARGEST or not _has_few_parts(job.args):
        return None
    return site.arguments_of(job)


def shown_payload(site: Site, job: JobRecord) -> dict[str, Any]:
    """Return the fields of a payload, with the arguments as people may see them."""
    item = job.item or {}
    shown = {name: value for name, value in item.items() if name not in _SHOWN_ELSEWHERE}
    if "args" in shown:
        shown["args"] = site.arguments_of(job)
    cleared: dict[str, Any] = without_secrets(shown)
    return cleared


def shown_context(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a payload, as `shown_payload` gives it, was true where the job was enqueued."""
    return {name: value for name, value in payload.items() if _CONTEXT.fullmatch(name)}


def shown_json(site: Site, raw: bytes) -> Any:
    """Return what a value holds that is JSON, whoever wrote it, as people may see it; None if it is none."""
    return _shown_text(site, raw, _DEEPEST)


def looks_like_json(raw: bytes) -> bool:
    """Tell whether a value begins as an object or an array of JSON does."""
    return raw.lstrip()[:1] in (b"{", b"[")


def _has_few_parts(value: Any) -> bool:
    """Tell whether a value has few elements; no more of them than that are looked at."""
    waiting, count = [value], 0
    while waiting:
        each = waiting.pop()
        inner = each.values() if type(each) is dict else each if type(each) is list else ()
        count += len(inner)
        if count > _MOST_PARTS:
            return False
        waiting += inner
    return True


def _shown_text(site: Site, raw: bytes, depth: int) -> Any:
    if not looks_like_json(raw):
        return None
    try:
        found = serialization.loads(raw)
    except InvalidPayloadError:
        return None
    return without_secrets(_opened(site, found, depth))


def _opened(site: Site, value: Any, depth: int) -> Any:
    """Return a value with its arguments cleared where it is a job, and with what is JSON in its texts as such."""
    if type(value) is list:
        return [_opened(site, element, depth) for element in value]
    if type(value) is dict:
        is_job = type(value.get("class")) is str and "args" in value
        item = shown_payload(site, JobRecord(serialization.dumps(value))) if is_job else value
        return {name: _opened(site, element, depth) for name, element in item.items()}
    if type(value) is str and depth > 0:
        inner = _shown_text(site, value.encode(), depth - 1)
        return value if inner is None else inner
    return value
