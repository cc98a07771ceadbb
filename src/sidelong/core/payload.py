"""The job as Redis holds it; unknown keys and the raw bytes survive whatever is done to it.

Field rules are Sidekiq's (wire-format §3). Readers are lenient: any program may have written the bytes.
"""

import re
from collections.abc import Sequence
from typing import Any

from sidelong.core import serialization
from sidelong.core.display import shown
from sidelong.core.options import DEFAULT_QUEUE
from sidelong.errors import InvalidPayloadError

ERROR_MESSAGE_LIMIT = 10_000
CRASHES = "crashed_at"
"""Our own key: when processes that were running this job died, in epoch seconds, newest last."""
MAX_CRASHES_KEPT = 10
_PLAIN = re.compile("[A-Za-z0-9_-]+")

_LONGEST_QUEUE_NAME = 512


def parse(raw: bytes) -> dict[str, Any]:
    """Read a stored payload.

    Raises:
        InvalidPayloadError: the bytes are not a JSON object.
    """
    item = serialization.loads(raw)
    if type(item) is not dict:
        raise InvalidPayloadError(f"a job is a JSON object, this is {_json_type(item)}")
    return item


def usable_jid(item: dict[str, Any]) -> str | None:
    """Return the jid by which the payload can be told apart from others; None if it has none."""
    jid = item.get("jid")
    return jid if type(jid) is str and jid else None


def jid_of(raw: bytes) -> str | None:
    """Return the jid of a stored payload; None if it has none, or is no job."""
    try:
        return usable_jid(parse(raw))
    except InvalidPayloadError:
        return None


def plain_part(jid: str) -> bytes:
    """Return what every writer of JSON writes of a jid as it is: where this is not found, the jid is not."""
    return max(_PLAIN.findall(jid), key=len, default="").encode()


def wire_class(item: dict[str, Any]) -> str:
    """Return the name to look up in the registry.

    Raises:
        InvalidPayloadError: `class` is missing or not a string.
    """
    name = item.get("class")
    if type(name) is not str:
        raise InvalidPayloadError(f"class must be a string, this is {_json_type(name)}")
    return name


def job_class(item: dict[str, Any]) -> str:
    """Return the class for display and logs: the wrapped one if there is one."""
    for key in ("wrapped", "class"):
        value = item.get(key)
        if type(value) is str and value:
            return value
    return "(no class)"


def arguments(item: dict[str, Any]) -> list[Any]:
    """Return the positional arguments.

    Raises:
        InvalidPayloadError: `args` is missing or not an array.
    """
    args = item.get("args")
    if type(args) is not list:
        raise InvalidPayloadError(f"args must be an array, this is {_json_type(args)}")
    return args


def queue_to_enter(item: dict[str, Any]) -> str:
    """Return the queue that a stored payload belongs on.

    Raises:
        InvalidPayloadError: no queue can have this name. Other programs may use names that a push of ours would
            refuse; what is printable and not endless is let through.
    """
    queue = item.get("queue", DEFAULT_QUEUE)
    if type(queue) is not str or not queue or len(queue) > _LONGEST_QUEUE_NAME or not queue.isprintable():
        raise InvalidPayloadError(f"no queue can be called {shown(queue)}")
    return queue


def retries_allowed(value: Any, max_retries: int) -> int | None:
    """Return how many retries the payload's `retry` allows, None for "no retry, no dead set".

    Anything that is neither a boolean nor an integer counts as true, as in Sidekiq.
    """
    if value is False:
        return None
    if type(value) is int:
        return max(value, 0)
    return max_retries


def retry_count(item: dict[str, Any]) -> int | None:
    """Return how often the job failed before, less one; None if it never did."""
    count = item.get("retry_count")
    return count if type(count) is int and abs(count) < 1_000_000_000 else None


def instant(value: Any) -> float | None:
    """Return a stored time in epoch seconds; None if it is none.

    Sidekiq 8 writes integer milliseconds where its predecessors write float seconds (wire-format §1.3).
    """
    if type(value) is int:
        # A larger number is no date, and may be more than a float holds.
        return value / 1000 if abs(value) < 10**18 else None
    return value if type(value) is float else None


def record_failure(item: dict[str, Any], *, queue: str, error: BaseException, backtrace: str | None, now: float) -> int:
    """Write a failure into `item` (wire-format §7) and return the new `retry_count`."""
    retry_queue = item.get("retry_queue")
    item["queue"] = retry_queue if type(retry_queue) is str and retry_queue else queue
    item["error_message"] = error_message(error)
    item["error_class"] = error_class(error)
    count = retry_count(item)
    if count is None:
        count = 0
        item["failed_at"] = now
    else:
        count += 1
        item["retried_at"] = now
        # Ruby's pages fail on a retry without the time of its first failure (wire-format §14).
        item.setdefault("failed_at", now)
    item["retry_count"] = count
    if backtrace is not None:
        item["error_backtrace"] = backtrace
    return count


def error_class(error: BaseException) -> str:
    """Return the name under which an exception is recorded: qualified, unless it is a built-in."""
    cls = type(error)
    if cls.__module__ == "builtins":
        return cls.__qualname__
    return f"{cls.__module__}.{cls.__qualname__}"


def error_message(error: BaseException) -> str:
    """Return what an exception says, at most 10,000 characters of valid Unicode."""
    try:
        text = str(error)
    except Exception:
        return "!!! ERROR MESSAGE THREW AN ERROR !!!"
    return text[:ERROR_MESSAGE_LIMIT].encode("utf-8", "replace").decode("utf-8")


def crashes_within(item: dict[str, Any], window: float, now: float) -> list[float]:
    """Return the recorded crash times that are younger than `window` seconds."""
    times = item.get(CRASHES)
    if not isinstance(times, list):
        return []
    return [at for at in times if type(at) in (int, float) and now - window < at <= now + window]


def add_crash(item: dict[str, Any], crashes: Sequence[float], now: float) -> None:
    """Record one more crash at `now`, after those in `crashes`."""
    item[CRASHES] = [*crashes, now][-MAX_CRASHES_KEPT:]


def _json_type(value: Any) -> str:
    if value is None:
        return "null or missing"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "an array"}
    return names.get(type(value), "an object")
