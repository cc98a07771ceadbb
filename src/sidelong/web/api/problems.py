"""What a program is told where there is no answer: a problem as RFC 9457 writes it."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from msgspec import Struct
from starlette.responses import Response

from sidelong.web.api.writing import respond

MEDIA_TYPE: Final = "application/problem+json"


class Problem(Struct, kw_only=True):
    """Why there is no answer.

    Attributes:
        title: what the status means.
        status: the status of the answer.
        detail: what is wrong, for people.
        type: always `about:blank`: the status says all that a program needs.
    """

    title: str
    status: int
    detail: str
    type: str = "about:blank"


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the answer that says why there is none."""
    title = HTTPStatus(status).phrase
    return respond(Problem(title=title, status=status, detail=detail), status, media_type=MEDIA_TYPE, headers=headers)
