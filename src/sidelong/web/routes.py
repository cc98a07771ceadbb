"""Which view answers which address: a fixed table, without patterns that could be made slow."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from sidelong.web.places import read_segment
from sidelong.web.visit import Visit

View = Callable[[Visit], Awaitable[Response]]

WITHIN: Final = 1.5
"""Seconds that reading may take, so that within two a page says if Redis is too slow."""

_LONGEST: Final = 2_000


@dataclass(frozen=True, slots=True)
class Route:
    """One address.

    Attributes:
        method: `GET` or `POST`.
        path: such as `/queues/{queue}`; a word in braces stands for one segment.
        view: makes the answer.
        target: the page for `authorize`: looking needs leave as well.
        within: seconds that reading may take; actions take time of their own, step by step.
    """

    method: str
    path: str
    view: View
    target: str = ""
    within: float = WITHIN

    def names(self, segments: list[str]) -> dict[str, str] | None:
        """Return the names in a path, decoded; None if it is another address."""
        ours = self.path.strip("/").split("/")
        if len(ours) != len(segments):
            return None
        names: dict[str, str] = {}
        for pattern, segment in zip(ours, segments, strict=True):
            if pattern.startswith("{"):
                name = read_segment(segment)
                if name is None:
                    return None
                names[pattern[1:-1]] = name
            elif pattern != segment:
                return None
        return names


class Routes:
    """The table.

    Args:
        routes: first come, first served.
    """

    def __init__(self, routes: list[Route]) -> None:
        self._routes = routes

    def at(self, path: str) -> dict[str, tuple[Route, dict[str, str]]]:
        """Return by method what answers a path; nothing if it leads nowhere."""
        if len(path) > _LONGEST:
            return {}
        segments = path.removeprefix("/").split("/")
        found: dict[str, tuple[Route, dict[str, str]]] = {}
        for route in self._routes:
            if route.method not in found and (names := route.names(segments)) is not None:
                found[route.method] = (route, names)
        return found

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)
