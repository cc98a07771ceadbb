"""Give back the in-flight jobs of dead processes; bury the one that kills them.

A worker is dead when its lease was missing at every look for the length of the grace, by this observer's own
monotonic clock, while this observer's own beats got through and the server has been the same for longer than a
lease and a grace. One pause of Redis makes every lease expire at once: none of that is a death.
"""

import logging
import random
from dataclasses import dataclass

from sidelong.core import payload, serialization
from sidelong.core.clock import Clock
from sidelong.core.config import Config
from sidelong.core.display import shown
from sidelong.core.lifecycle import Hooks
from sidelong.errors import InvalidPayloadError, Refused, StoreError
from sidelong.store.processes import Owners, Salvage, Sighting
from sidelong.worker.lost_owners import LostOwners
from sidelong.worker.outage import Outage
from sidelong.worker.stop import StopFlag
from sidelong.worker.suspects import ALONE_FROM

logger = logging.getLogger("sidelong.worker")

_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class _Blame:
    """Whom a death is laid at: jobs with the highest crash count among those that had begun.

    Attributes:
        count: that crash count; None for nobody.
        alone: jid of the suspect that ran alone; others like it were waiting, and had not begun.
    """

    count: int | None
    alone: str | None


class Recovery:
    """Looks after the owners of in-flight lists, in every living worker.

    Args:
        identity: the observer.
    """

    def __init__(
        self,
        *,
        owners: Owners,
        identity: str,
        config: Config,
        clock: Clock,
        hooks: Hooks,
        outage: Outage,
        stop: StopFlag,
    ) -> None:
        self._owners = owners
        self._identity = identity
        self._config = config
        self._clock = clock
        self._hooks = hooks
        self._outage = outage
        self._stop = stop
        self._missing_since: dict[str, float] = {}
        self._looked_at: float | None = None
        self._server: str | None = None
        self._server_since = 0.0
        self._unreadable: set[tuple[str, str]] = set()
        self._lost = LostOwners(owners, config, clock, stop)

    async def run(self) -> None:
        """Look until the stop flag is set."""
        while not self._stop.is_set:
            began = self._outage.monotonic()
            try:
                await self.look()
                await self._lost.seek()
            except StoreError as error:
                self._outage.begins(error)
                self._forget()
            else:
                self._outage.is_reached(began)
            await self._stop.sleep(self._config.recovery_interval * random.uniform(0.8, 1.0))

    async def look(self) -> None:
        """Look once, and recover what has been dead for long enough.

        Raises:
            StoreError: Redis did not answer.
        """
        began = self._clock.monotonic()
        # The first look learns which server this is: only who knew it before sees that another has taken its place.
        sighting = await self._owners.look(by=self._identity, with_server=self._looked_at is None)
        now = self._clock.monotonic()
        self._lost.note(is_listed=sighting.is_listed)
        if self._is_broken_observation(began, now):
            self._forget()
        self._looked_at = now
        if not self._is_settled_server(sighting, now):
            self._missing_since.clear()
            return
        for error in sighting.errors:
            logger.error("the owners of in-flight jobs cannot be read: %s", shown(error))
        # A Redis that answers but refuses to write (a replica, no disk, no replicas) lets every lease run out, ours
        # included: who cannot get its own beats through judges nobody.
        missing = [] if self._identity in sighting.missing else sighting.missing
        self._missing_since = {who: self._missing_since.get(who, now) for who in missing}
        dead = [who for who in missing if now - self._missing_since[who] >= self._config.recovery_grace]
        logger.debug("looked for dead workers: %d without a lease, %d of them dead", len(missing), len(dead))
        due = dict.fromkeys((*dead, *sighting.holding))
        self._unreadable = {place for place in self._unreadable if place[0] in due}
        for identity in due:
            if self._stop.is_set:
                return
            # Not an owner any more, yet holding entries: a wait that outlived it in Redis moved them there.
            try:
                await self._recover(identity, is_death=identity in missing)
            except Refused as error:
                # A key of the wrong type: this owner waits until it is mended, the others do not.
                logger.error("the jobs of dead worker %s cannot be recovered: %s", shown(identity), shown(error))

    # Who is dead.

    def _is_broken_observation(self, began: float, now: float) -> bool:
        """Tell whether something stood still since the last look: this process, its loop, or Redis."""
        patience = 3 * self._config.recovery_interval
        is_late = self._looked_at is not None and began - self._looked_at > patience
        return is_late or now - began > patience

    def _is_settled_server(self, sighting: Sighting, now: float) -> bool:
        """Tell whether this server has been up for so long that every living worker has beaten to it."""
        settled_after = self._config.lease_ttl + self._config.recovery_grace
        if sighting.uptime is None:
            return True
        if sighting.server != self._server:
            # The first server seen has had the beats of the living for as long as it is up. One that takes its place
            # may have been up for long as a replica that lagged behind: it counts from now.
            self._server_since = now - sighting.uptime if self._server is None else now
            self._server = sighting.server
        return now - self._server_since > settled_after and sighting.uptime > settled_after

    def _forget(self) -> None:
        self._missing_since.clear()
        self._looked_at = None

    # What it leaves behind.

    async def _recover(self, identity: str, *, is_death: bool) -> None:
        queues = await self._owners.bury(identity, by=self._identity)
        if queues is None:
            return
        held = {queue: await self._held(identity, queue) for queue in queues}
        total = sum(map(len, held.values()))
        if total:
            logger.warning("worker %s is dead; its %d jobs go back to their queues", shown(identity), total)
        blame = await self._blame(identity, held) if is_death else _Blame(None, None)
        # The innocent go first: if this process dies half way, those that are left are still the ones to blame.
        for is_blamed in (False, True):
            for queue, entries in held.items():
                try:
                    await self._give_back(identity, queue, entries, blame, is_blamed=is_blamed)
                except Refused as error:
                    self._skip(identity, queue, error)
        if await self._owners.leave(identity, queues):
            self._missing_since.pop(identity, None)

    async def _held(self, identity: str, queue: str) -> list[bytes]:
        try:
            return await self._owners.held(identity, queue)
        except Refused as error:
            self._skip(identity, queue, error)
            return []

    def _skip(self, identity: str, queue: str, error: Refused) -> None:
        """Leave one queue for later; its owner stays until it can be read, and this is said once."""
        if (identity, queue) in self._unreadable:
            return
        self._unreadable.add((identity, queue))
        logger.error(
            "the jobs of dead worker %s from queue %s cannot be recovered: %s",
            shown(identity),
            shown(queue),
            shown(error),
        )

    async def _blame(self, identity: str, held: dict[str, list[bytes]]) -> _Blame:
        alone = await self._owners.alone(identity)
        counts = (self._count(raw, alone) for entries in held.values() for raw in entries)
        return _Blame(max((count for count in counts if count is not None), default=None), alone)

    def _count(self, raw: bytes, alone: str | None) -> int | None:
        """Return how many crashes a job has seen, None if it had not begun in the process that died."""
        try:
            item = payload.parse(raw)
        except InvalidPayloadError:
            return 0
        count = len(payload.crashes_within(item, self._config.crash_window, self._clock.now()))
        return None if count >= ALONE_FROM and item.get("jid") != alone else count

    async def _give_back(
        self, identity: str, queue: str, entries: list[bytes], blame: _Blame, *, is_blamed: bool
    ) -> None:
        chosen = [raw for raw in entries if self._is_blamed(raw, blame) is is_blamed]
        for first in range(0, len(chosen), _AT_ONCE):
            # The newest entries come first, so that the oldest end nearest the head of the queue.
            salvages = [self._salvage(raw, is_blamed=is_blamed) for raw in chosen[first : first + _AT_ONCE]]
            results = await self._owners.salvage(identity, queue, salvages)
            if results is None:
                return
            for salvage, result in zip(salvages, results, strict=True):
                if isinstance(result, str):
                    logger.error("a job of dead worker %s stays where it is: %s", shown(identity), shown(result))
                elif result and salvage.to != "queue":
                    await self._report_buried(salvage)

    def _is_blamed(self, raw: bytes, blame: _Blame) -> bool:
        return blame.count is not None and self._count(raw, blame.alone) == blame.count

    def _salvage(self, raw: bytes, *, is_blamed: bool) -> Salvage:
        try:
            item = payload.parse(raw)
        except InvalidPayloadError as error:
            logger.error("a payload of a dead worker goes to the dead set unread: %s", error)
            return Salvage(raw, raw, "dead")
        if not is_blamed:
            return Salvage(raw, raw)
        now = self._clock.now()
        crashes = payload.crashes_within(item, self._config.crash_window, now)
        payload.add_crash(item, crashes, now)
        count = len(crashes) + 1
        if count < self._config.crash_limit:
            return Salvage(raw, serialization.dumps(item))
        item["error_class"] = "sidelong.PoisonPill"
        item["error_message"] = f"{count} processes died while they ran this job"
        item.setdefault("failed_at", now)
        return Salvage(raw, serialization.dumps(item), "drop" if item.get("dead") is False else "dead")

    async def _report_buried(self, salvage: Salvage) -> None:
        try:
            item = payload.parse(salvage.new)
        except InvalidPayloadError as error:
            await self._hooks.report_error(error, {"context": "recovery", "raw": salvage.raw})
            return
        logger.error(
            "job class=%s jid=%s is buried: %s",
            shown(payload.job_class(item)),
            shown(item.get("jid")),
            shown(item.get("error_message")),
        )
        await self._hooks.report_death(item, RuntimeError(str(item.get("error_message"))))
