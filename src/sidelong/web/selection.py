"""Which jobs of a list an action is about."""

from dataclasses import dataclass
from typing import Final

from sidelong.web.listing import ListQuery

MOST: Final = 100
"""Jobs that one request may name; a page shows no more."""


@dataclass(frozen=True)
class Selection:
    """Those that are named, or all that match the filter of the list.

    Attributes:
        keys: their names, as `row_keys` writes them.
        is_all: whether all that match are meant; then `keys` do not count.
        query: the filter and the order of the list.
        near: where in the list those that are named stood.
        after: where to go on with all that match, as an outcome before says.
    """

    keys: frozenset[str]
    is_all: bool
    query: ListQuery
    near: int = 0
    after: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it is about no job."""
        return not self.keys and not self.is_all
