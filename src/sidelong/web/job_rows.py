"""Rows that others add to the page of a job."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from sidelong.api.records import JobRecord
from sidelong.core.display import shown
from sidelong.web.places import Place

logger = logging.getLogger("sidelong.web")

_WITHIN: Final = 0.5
"""Seconds that a function has for the rows of a job."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """One row.

    Attributes:
        label: what is told.
        text: what it is; it is shown as text, whatever it holds.
        url: where it leads: an `http` address, a path of the host application such as `/orders/7`, or one below the
            place where the pages are, such as `./limits/7`. Anything else leads nowhere.
    """

    label: str
    text: str
    url: str = ""

    def address(self, place: Place) -> str:
        """Return the address that it leads to, as a browser at `place` needs it; empty if there is none."""
        if not self.url.isprintable():
            # Browsers leave out tabs and line ends, and then it is another address.
            return ""
        if self.url.startswith("./"):
            return place.url(quote(self.url[1:], safe="/?&=%#"))
        # Two slashes begin the name of another host.
        is_path = self.url.startswith("/") and not self.url.startswith(("//", "/\\"))
        return self.url if is_path or self.url.startswith(("http://", "https://")) else ""


JobRows = Callable[[JobRecord], Iterable[JobRow] | Awaitable[Iterable[JobRow]]]
"""Returns the rows of a job, plain or async."""


async def read_rows(makers: Sequence[JobRows], job: JobRecord) -> list[JobRow]:
    """Return the rows of a job; of a function that fails there are none, and the log says why."""
    rows: list[JobRow] = []
    for maker in makers:
        try:
            async with asyncio.timeout(_WITHIN):
                made: Any = maker(job)
                found = list(await made if inspect.isawaitable(made) else made)
            if not all(isinstance(row, JobRow) for row in found):
                raise TypeError("the rows of a job must be of sidelong.web.JobRow")
            rows += found
        except Exception as error:
            logger.warning("Rows of a job cannot be shown: %s", shown(f"{type(error).__name__}: {error}"))
    return rows
