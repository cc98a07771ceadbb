"""The payloads that readers of other languages stumble over (wire-format §14): one of each kind."""

import json
from typing import Any, Final

_FAILED: Final[dict[str, Any]] = {
    "class": "Shop::Charge",
    "args": [7, "seven"],
    "queue": "default",
    "jid": "defec0000000000000000000",
    "retry": True,
    "created_at": 1795217165.5,
    "enqueued_at": 1795217166.5,
    "failed_at": 1795217167.5,
    "retried_at": 1795217168.5,
    "retry_count": 2,
    "error_class": "CardDeclined",
    "error_message": "no money",
    "error_backtrace": ["shop.py:88 in charge"],
    "tags": ["vip"],
}


def _without(*names: str, **others: Any) -> bytes:
    return _written({name: value for name, value in {**_FAILED, **others}.items() if name not in names})


def _written(item: dict[str, Any]) -> bytes:
    return json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()


DEFECTS: Final[dict[str, bytes]] = {
    "no failed_at, first failure": _without("failed_at", "retried_at", retry_count=0),
    "no failed_at, no count": _without("failed_at", "retried_at", "retry_count"),
    "no retried_at": _without("retried_at"),
    "retry_count a string": _without(retry_count="2"),
    "created_at a string": _without(created_at="yesterday"),
    "tags a string": _without(tags="vip"),
    "tags an object": _without(tags={"vip": True}),
    "cattr a string": _without(cattr="user"),
    "backtrace undecodable": _without(error_backtrace="!! no base64 !!"),
    "backtrace no list": _without(error_backtrace={"0": "shop.py"}),
    "no jid": _without("jid"),
    "no class": _without("class"),
    "no args": _without("args"),
    "no queue": _without("queue"),
    "no created_at": _without("created_at"),
    "no error fields": _without("error_class", "error_message", "error_backtrace"),
    "no JSON": b'{"class":"Shop::Charge","args":[7',
    "no text": b"\xff\xfe\x00",
    "a JSON array": b'["Shop::Charge",7]',
    "a JSON string": b'"Shop::Charge"',
    "nothing": b"",
}
"""By what is wrong, what is stored."""

NO_JOBS: Final = frozenset({"no JSON", "no text", "a JSON array", "a JSON string", "nothing"})
"""Those that are no JSON object at all."""

SOUND: Final = {**_FAILED, "jid": "0123456789abcdef01234567"}
"""A job that has failed three times, with nothing wrong about it."""

SOUND_RAW: Final = _written(SOUND)
