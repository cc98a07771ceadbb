"""Where a job may end that can be read, by the place it starts from."""

import json
import zlib
from typing import Any

from tests.integration.hostile_payloads.payloads import CLASSES

DEFAULT = "queue:default"
_FAILED = frozenset({"retry", "dead"})


def from_queue(item: dict[str, Any]) -> frozenset[str]:
    """Return where a job may end that is taken from its queue."""
    name = item.get("class")
    if not isinstance(name, str) or name not in CLASSES:
        # Perhaps of a deploy under way: whatever it says, it does not vanish.
        return frozenset({"retry"}) if _is_retried(item) else _FAILED
    if _runs(item):
        return frozenset({"ended"})
    if name == "Bad" and _is_retried(item):
        return frozenset({"retry"})
    is_dropped = item.get("retry") is False or item.get("dead") is False
    return _FAILED | ({"ended"} if name != "Bad" else set()) | ({"dropped"} if is_dropped else set())


def from_set(item: dict[str, Any]) -> frozenset[str]:
    """Return where a job may end that was due: where the poller puts it, or where it ends after that."""
    queue = queue_after_promotion(item)
    return from_queue(item) if queue == DEFAULT else frozenset({queue})


def from_set_with_middleware(item: dict[str, Any]) -> frozenset[str]:
    """Return where a job may end that was due, if client middleware does what `meddling` says."""
    if queue_after_promotion(item) == "dead" and item.get("queue") != "wrong":
        return frozenset({"dead"})
    match meddling(item):
        case "raise":
            return frozenset({"schedule"})
        case "stop":
            return frozenset({"stopped"})
        case "spoil":
            return frozenset({"dead"})
        case _:
            return from_set(item)


def from_stopped_worker(item: dict[str, Any]) -> frozenset[str]:
    """Return where a job may end whose worker is stopped while those jobs run that can."""
    if item.get("class") != "Threaded" and _runs(item):
        return frozenset({DEFAULT})
    return from_queue(item) | {DEFAULT}


def queue_after_promotion(item: dict[str, Any]) -> str:
    """Return the key to which the poller takes a due job."""
    name = item.get("queue", "default")
    if not isinstance(name, str) or not 0 < len(name) <= 512 or not name.isprintable() or name == "wrong":
        return "dead"
    return f"queue:{name}"


def meddling(item: dict[str, Any]) -> str:
    """Return what client middleware of a test does with a due job: `raise`, `stop`, `spoil` or `pass`."""
    if item.get("class") == "Sentinel":
        return "pass"
    return ("raise", "stop", "spoil", "pass")[zlib.crc32(json.dumps(item.get("jid")).encode()) % 4]


def _runs(item: dict[str, Any]) -> bool:
    """Tell whether a job must end well: it takes any arguments, and there is no hurry."""
    return item.get("class") in ("Ok", "Threaded") and type(item.get("args")) is list and "timeout" not in item


def _is_retried(item: dict[str, Any]) -> bool:
    """Tell whether a job that fails must be tried again, as nothing odd says how often."""
    has_own_way = item.keys() & {"retry_count", "retry_for"}
    return not has_own_way and (item.get("retry") is None or item["retry"] is True)
