"""Where a job is that can be edited: in the schedule, the retries or the dead jobs, or in a queue."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sidelong.api.queues import Queue
from sidelong.api.records import JobRecord
from sidelong.web.actions import entries, queued
from sidelong.web.actions.one import Done
from sidelong.web.actions.queues import queue_target
from sidelong.web.listing import ListQuery, read_place
from sidelong.web.places import write_segment
from sidelong.web.sections import Section
from sidelong.web.security.bodies import Form
from sidelong.web.visit import Visit


class Spot(Protocol):
    """Where one job is.

    Attributes:
        target: what `authorize` calls the list.
        home: the page of the list.
        key: what names the job there.
        words: what ends the names of texts that are about this kind of list.
        standing: what the address of the page says of where in its list the job stood.
    """

    target: str
    home: str
    key: str
    words: str
    standing: Mapping[str, object]

    async def find(self) -> JobRecord | Done:
        """Return the job, or why it is not found."""
        ...

    async def edit(self, changes: Mapping[str, Any] | None = None, *, item: Mapping[str, Any] | None = None) -> Done:
        """Change the job, or put another in its place, as `entries.edit` does."""
        ...


SpotOf = Callable[[Visit, Form], Spot]
"""Returns the spot that a request is about; the form is empty where none was sent."""


class EntrySpot:
    """An entry of a set: its name tells where it stands."""

    words = ""
    standing: Mapping[str, object] = {}

    def __init__(self, visit: Visit, section: Section) -> None:
        self._visit = visit
        self._section = section
        self.target = section.name
        self.home = f"/{section.name}"
        self.key = visit.names["entry"]

    async def find(self) -> JobRecord | Done:
        """See `Spot.find`."""
        query = ListQuery.read({})
        found = await entries.look_for(self._visit, self._section, {self.key}, self._visit.hint, query)
        return found.get(self.key, Done.GONE)

    async def edit(self, changes: Mapping[str, Any] | None = None, *, item: Mapping[str, Any] | None = None) -> Done:
        """See `Spot.edit`."""
        return await entries.edit(self._visit, self._section, self.key, changes, item=item)


class QueueSpot:
    """A job that waits in a queue: it is looked for where it stood, and must be the one that was shown."""

    words = "_waiting"

    def __init__(self, visit: Visit, form: Form) -> None:
        given = {**visit.query, **{name: values[-1] for name, values in form.items()}}
        name = visit.names["queue"]
        self._visit = visit
        self._queue = Queue(visit.site.app, name)
        self._near = read_place(given.get("at"))
        self._query = ListQuery.read({"order": given.get("order", "")})
        self._seen = given.get("seen")
        self.target = queue_target(name)
        self.home = f"/queues/{write_segment(name)}"
        self.key = visit.names["job"]
        order = "reversed" if self._query.is_reversed else None
        self.standing: Mapping[str, object] = {"at": self._near or None, "order": order}

    async def find(self) -> JobRecord | Done:
        """See `Spot.find`."""
        return await queued.find(self.key, self._queue, near=self._near, query=self._query, seen=self._seen)

    async def edit(self, changes: Mapping[str, Any] | None = None, *, item: Mapping[str, Any] | None = None) -> Done:
        """See `Spot.edit`."""
        return await queued.edit(
            self._visit,
            self._queue.name,
            self.key,
            changes,
            item=item,
            near=self._near,
            query=self._query,
            seen=self._seen,
        )
