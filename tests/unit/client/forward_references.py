"""Jobs whose annotations are strings, as `from __future__ import annotations` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date


async def visit(place: Place, day: date, count: int) -> Any:
    return place, day, count


@dataclass
class Place:
    name: str
    parent: Place | None = None
