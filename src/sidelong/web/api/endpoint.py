"""One address of the JSON API: what it takes, what it answers, and who may ask.

The rule: the annotations of the function are the declaration. A parameter `query` or `body` is a `msgspec.Struct`, and
what comes is checked against it; what the function returns is another one.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, get_type_hints

import msgspec
from msgspec import inspect
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sidelong.core.display import shown
from sidelong.web.api.writing import respond
from sidelong.web.routes import Route
from sidelong.web.security.bodies import read_json
from sidelong.web.visit import Visit

PREFIX: Final = "/api"

T = TypeVar("T")
Handler = Callable[..., Awaitable[Any]]


@dataclass(frozen=True)
class Endpoint:
    """One address.

    Attributes:
        method: `GET` or `POST`.
        path: below `/api`.
        target: the page for `authorize`.
        handler: makes the answer.
        name: what programs call it.
        summary: what it does, in a sentence.
        query: what its query may hold; None for nothing.
        body: what must be sent to it; None for nothing.
        answer: what it answers.
        media_type: of the answer.
        faults: statuses that it may answer beside those that all may.
    """

    method: str
    path: str
    target: str
    handler: Handler
    name: str
    summary: str
    query: type[msgspec.Struct] | None
    body: type[msgspec.Struct] | None
    answer: Any
    media_type: str
    faults: Sequence[int]

    @property
    def route(self) -> Route:
        """The address as the table of all addresses holds it."""
        return Route(self.method, f"{PREFIX}{self.path}", self.answered, self.target)

    async def answered(self, visit: Visit) -> Response:
        """Return the answer to a request.

        Raises:
            HTTPException: 400 if it asks for what there is not, and what the handler raises.
        """
        taken: dict[str, Any] = {"query": _read_query(visit, self.query)} if self.query else {}
        if self.query is None and visit.request.query_params:
            raise HTTPException(400, "this address takes no query")
        if self.body is not None:
            taken["body"] = _checked(await read_json(visit.request), self.body)
        answer = await self.handler(visit, **taken)
        return answer if isinstance(answer, Response) else respond(answer)


def endpoint(
    method: str,
    path: str,
    target: str,
    handler: Handler,
    *,
    name: str | None = None,
    summary: str | None = None,
    media_type: str = "application/json",
    faults: Iterable[int] = (),
) -> Endpoint:
    """Declare an address.

    Args:
        method: `GET` or `POST`.
        path: below `/api`; a word in braces stands for one segment, whose meaning is in `visit.names`.
        target: the page for `authorize`; of an extension, "" for its name.
        handler: makes the answer of a visit, and of `query` and `body` if it has such parameters.
        name: what programs call it; that of the function if not given.
        summary: what it does; the first line of the function's docstring if not given.
        media_type: of the answer.
        faults: statuses that it may answer beside those that all may.
    """
    hints = get_type_hints(handler)
    return Endpoint(
        method,
        path,
        target,
        handler,
        name or handler.__name__,
        summary or (handler.__doc__ or "").partition("\n")[0],
        hints.get("query"),
        hints.get("body"),
        hints["return"],
        media_type,
        tuple(faults),
    )


def _read_query(visit: Visit, kind: type[msgspec.Struct]) -> msgspec.Struct:
    about = inspect.type_info(kind)
    assert isinstance(about, inspect.StructType)
    several = {each.encode_name for each in about.fields if isinstance(each.type, inspect.ListType)}
    given: dict[str, Any] = {}
    for name, value in visit.request.query_params.multi_items():
        if name in several:
            given.setdefault(name, []).append(value)
        elif name in given:
            raise HTTPException(400, "a name stands in the query twice")
        else:
            given[name] = value
    return _checked(given, kind, strict=False)


def _checked(value: Any, kind: type[T], *, strict: bool = True) -> T:
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise HTTPException(400, shown(str(error))) from None
