"""Answers as JSON."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response

from sidelong.web.security.headers import PAGE

MEDIA_TYPE: Final = "application/json"


def respond(
    value: Any, status: int = 200, *, media_type: str = MEDIA_TYPE, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a value as an answer; see `to_json`."""
    return Response(to_json(value), status, headers={**PAGE, **(headers or {})}, media_type=media_type)


def to_json(value: Any) -> str:
    r"""Return a value as JSON in ASCII; what is no JSON is written as text, and a number that is none as null.

    Whatever a text holds, half a surrogate pair or a mark that turns the writing around, it is escaped, and so is `<`.
    """
    plain = msgspec.to_builtins(value, str_keys=True, enc_hook=str)
    try:
        written = json.dumps(plain, allow_nan=False, separators=(",", ":"))
    except ValueError:
        written = json.dumps(_finite(plain), allow_nan=False, separators=(",", ":"))
    return written.replace("<", "\\u003c")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list) else value
