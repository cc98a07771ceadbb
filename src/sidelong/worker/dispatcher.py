"""One capsule at work: slots and turns; `Executions` runs the jobs.

Blocking when idle, batching when busy: with free slots and empty queues the fetcher parks; with work at hand one
call per turn settles what has ended, or half of it, and takes as many as there are free slots.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection
from contextvars import Context
from random import Random

from sidelong.core.clock import Clock
from sidelong.core.config import Capsule, Config
from sidelong.core.delivery import CancelReason, Delivery
from sidelong.core.outcome import HANDED_BACK, Lost, Rewritten
from sidelong.core.queue_order import QueueOrder
from sidelong.store.control import CancelAnswer
from sidelong.store.queues import Turn
from sidelong.worker.executions import Executions
from sidelong.worker.executor import Executor
from sidelong.worker.fetcher import Arrival, Fetcher, GaveUp
from sidelong.worker.holdings import Holdings, is_of_job
from sidelong.worker.recorder import Recorder
from sidelong.worker.stop import StopFlag
from sidelong.worker.turn_faults import TurnFaults

logger = logging.getLogger("sidelong.worker")

_SETTLE_AGAIN_AFTER = 0.5
_REGISTER_AGAIN_AFTER = 1.0
_SPLIT_FROM = 32
"""From so many finished jobs on, half of them are settled while the other half is replaced: see `Dispatcher._batch`."""
_WORTH_A_TURN = _SPLIT_FROM // 2
"""So many finished jobs are settled without looking whether more are about to end: what is left of a halved turn."""


class Dispatcher:
    """Runs the jobs of one capsule.

    Args:
        context: every job starts with a copy of it; see `Executions`.
        unregistered: called when Redis does not know this worker, or may not, so that it registers anew.
        is_trusted: whether the latest heartbeat is so recent that nobody can have taken this worker for dead.
        recorder: has counted what ended; None where nobody wants to know.
    """

    def __init__(
        self,
        *,
        capsule: Capsule,
        config: Config,
        clock: Clock,
        executor: Executor,
        context: Context,
        random: Random,
        unregistered: Callable[[], None],
        is_trusted: Callable[[], bool],
        recorder: Recorder | None = None,
    ) -> None:
        self.capsule = capsule
        self.names = [name for name, _ in capsule.queues]
        self._holdings = Holdings(self.names, capsule.concurrency)
        self._config = config
        self._clock = clock
        self._unregistered = unregistered
        self._is_trusted = is_trusted
        self._recorder = recorder
        self._order = QueueOrder(dict(capsule.queues), random)
        by_weight = sorted(range(len(self.names)), key=lambda place: -capsule.queues[place][1])
        self._rank = {place: rank for rank, place in enumerate(by_weight)}
        self._fetcher: Fetcher
        self._wake = asyncio.Event()
        self._executions = Executions(executor, context, self._wake)
        self._looking = asyncio.Lock()  # an audit and a sweep at the same time would find the same twice
        self._arrivals: list[Delivery] = []
        self._doubtful: list[Delivery] = []
        self._settling: list[Delivery] = []
        self._paused: frozenset[int] = frozenset()
        self._has_more = False
        self._has_started = False
        self._is_waiting = False
        self._is_fetching = True
        self._ended = StopFlag()
        self._retaking_at = 0.0
        self._faults = TurnFaults(clock)

    def connect(self, fetcher: Fetcher) -> None:
        """Use `fetcher`; it calls back, so it is made after this."""
        self._fetcher = fetcher

    # What the worker asks.

    @property
    def running(self) -> list[Delivery]:
        """The deliveries that are being executed; a copy, safe to take from any thread."""
        return self._executions.running

    @property
    def ended(self) -> tuple[int, int]:
        """How many jobs ended here, and how many of them failed."""
        return self._holdings.processed, self._holdings.failed

    @property
    def in_memory(self) -> list[Delivery]:
        """Every delivery that is running or not yet settled."""
        return self._holdings.all()

    @property
    def is_settled(self) -> bool:
        """True when nothing runs and nothing waits to be settled."""
        return len(self._holdings) == 0

    def quiet(self) -> None:
        """Fetch no more; what runs goes on."""
        self._is_fetching = False
        self._start_doubtful()
        self._fetcher.end()
        self._wake.set()

    def pause(self, names: Collection[str]) -> None:
        """Take nothing from the queues among `names`, and everything from the others; what runs goes on."""
        self._paused = frozenset(place for place, name in enumerate(self.names) if name in names)
        self._order.leave_out(self._paused)
        self._fetcher.pause(self._paused)
        self.poke()

    def cancel(self, reason: CancelReason) -> None:
        """Ask everything that runs to end."""
        self._executions.cancel(reason)

    def cancel_job(self, jid: str) -> CancelAnswer:
        """Call a job off, wherever between its arrival and its settlement it is."""
        answers = [self._cancel_one(delivery) for delivery in self._holdings.all() if is_of_job(delivery, jid)]
        return min(answers, key=list(CancelAnswer).index, default=CancelAnswer.ABSENT)

    def _cancel_one(self, delivery: Delivery) -> CancelAnswer:
        if delivery in self._settling:
            # Redis is being told of its outcome, and will be told the same again if the answer is lost.
            return CancelAnswer.MOVING
        for not_started in (self._arrivals, self._doubtful):
            if delivery in not_started:
                not_started.remove(delivery)
        return self._executions.cancel_one(delivery)

    def abandon(self, *, is_fenced: bool) -> None:
        """Let go of what still runs, although it does not end; see `Executions.abandon`."""
        self._executions.abandon(is_fenced=is_fenced)

    def give_up(self) -> None:
        """Return from `run`: what is not settled by now is left to recovery."""
        self._ended.set()
        self._fetcher.give_up()
        self._wake.set()

    def arrived(self, arrival: Arrival) -> None:
        """Take what a parked wait brought."""
        place, raw = arrival
        # Held from this moment: the audit must not take it for lost while the loop below is waiting.
        self._arrivals.append(self._holdings.take_in(place, raw))
        self._has_more = True
        if self._is_waiting and self._holdings.slots.value >= len(self.names):
            self._start_arrivals()  # a slot for whatever else may arrive now: there is no order to be kept
        self._wake.set()

    def poke(self) -> None:
        """Look into the queues, although nothing has arrived."""
        self._has_more = True
        self._wake.set()

    def registered(self) -> None:
        """Redis knows this worker: taking makes sense again."""
        has_waited = self._retaking_at != 0.0 or bool(self._doubtful)
        self._retaking_at = 0.0
        self._start_doubtful()
        if has_waited:
            self.poke()

    async def reconcile(self) -> int:
        """Hand back payloads whose reply was lost, and return how many there were.

        Raises:
            StoreError: Redis did not tell what is in the private lists.
        """
        async with self._looking:
            orphans = await self._fetcher.audit(lambda: self.in_memory)
            for arrival in orphans:
                self._executions.hand_back(self._holdings.take_in(*arrival))
        if orphans:
            logger.warning("%d jobs were fetched and their replies lost; they go back to their queues", len(orphans))
            self._wake.set()
        return len(orphans)

    async def sweep(self) -> None:
        """Hand back what the private lists still hold once nothing is in memory, nor on its way.

        These are jobs whose reply was lost a moment ago: left behind, they would count as victims of a crash.

        Raises:
            StoreError: Redis did not tell what is in the private lists.
        """
        async with self._looking:
            left = Counter(await self._fetcher.left_behind())
            for arrival in (left - Counter((each.place, each.raw) for each in self.in_memory)).elements():
                self._executions.hand_back(self._holdings.take_in(*arrival))
        self._wake.set()

    async def rescue(self) -> None:
        """After a fault of the loop below: settle what has ended, and hand back everything else.

        Raises:
            GaveUp: Redis did not answer until `give_up`.
            StoreError: Redis did not tell what is in the private lists.
        """
        self.abandon(is_fenced=False)
        # First: a wait whose task is gone would take up again what is handed back.
        await self._fetcher.cut_off()
        await self._settle_all(self._holdings.without_lost(self._holdings.all()))
        # What such a wait brought at the last moment was named to nobody.
        await self._settle_all([self._holdings.take_in(*left) for left in await self._fetcher.left_behind()])

    async def _settle_all(self, held: list[Delivery]) -> None:
        for delivery in held:
            if delivery.outcome is None or type(delivery.outcome) is Rewritten:
                delivery.outcome = HANDED_BACK
        while held:
            self._settling = held[: self._config.batch_limit]
            turn = await self._fetcher.turn(self._settling, 0, ())
            self._settling = []
            self._holdings.settle(turn.settled)
            held = held[self._config.batch_limit :]

    # The loop.

    async def run(self) -> None:
        """Fetch, run and settle until `give_up`."""
        while not self._ended.is_set:
            self._start_arrivals()
            if self._has_started and len(self._executions.finished) < _WORTH_A_TURN:
                # Jobs that need no waiting end within one turn of the loop: they are settled in the next call.
                self._has_started = False
                await asyncio.sleep(0)
            if self._executions.finished or self._should_take():
                try:
                    await self._turn()
                except GaveUp:
                    return
            else:
                if self._holdings.slots.value == 0 or not self._is_fetching:
                    self._fetcher.unpark()
                elif self._retaking_at == 0.0:
                    self._fetcher.park()
                await self._wait()

    async def _wait(self) -> None:
        self._is_waiting = True
        try:
            await self._wake.wait()
        finally:
            self._is_waiting = False
        self._wake.clear()

    def _should_take(self) -> bool:
        return (
            self._is_fetching
            and self._has_more
            and self._holdings.slots.value > 0
            and not self._order.is_empty
            and self._clock.monotonic() >= self._retaking_at
        )

    async def _turn(self) -> None:
        self._settling = settling = self._batch()
        free, takes = self._takes(settling)
        self._has_more = False
        turn = await self._fetcher.turn(settling, free, takes)
        self._settling = []
        self._settled(turn)
        for place, payloads in turn.taken:
            free -= len(payloads)
            self._start(self._holdings.take_in_all(place, payloads))
        if self._recorder is not None:
            self._recorder.fold(len(settling))
        # Full to the brim: there may be more, for slots beyond the limit of one call.
        self._has_more |= free == 0

    def _batch(self) -> list[Delivery]:
        """Return what to settle in the next call: half of what has ended if nothing would run meanwhile.

        Redis then works on one half while this process runs what replaced the other.
        """
        limit, finished = self._config.batch_limit, len(self._executions.finished)
        if self._is_fetching and finished >= _SPLIT_FROM and self._executions.count == 0:
            limit = min(limit, finished // 2)
        settling = self._executions.take_finished(limit)
        if any(type(delivery.outcome) is Lost for delivery in settling):
            settling = self._holdings.without_lost(settling)
        return settling

    def _takes(self, settling: list[Delivery]) -> tuple[int, list[tuple[int, int]]]:
        if not self._is_fetching or self._clock.monotonic() < self._retaking_at:
            return 0, []
        free = self._holdings.slots.value
        for delivery in settling:
            free += delivery.has_slot and type(delivery.outcome) is not Rewritten
        free = min(free, self._config.batch_limit)
        if free == 0 or self._order.is_empty:
            return 0, []
        takes = self._order.draw(free)
        if len(self.names) > 1:
            takes += [(place, free) for place in self._order.order()]
        return free, takes

    def _settled(self, turn: Turn) -> None:
        rewritten = self._holdings.settle(turn.settled)
        if rewritten:
            self._go_on(rewritten)
        if turn.lost:
            self._report_lost(turn)
        if turn.unsettled:
            self._settle_later(turn)
        if turn.errors or turn.trimmed:
            self._faults.tell(turn)
        if not turn.is_owner and self._retaking_at == 0.0:
            self._retaking_at = self._clock.monotonic() + _REGISTER_AGAIN_AFTER
            asyncio.get_running_loop().call_later(_REGISTER_AGAIN_AFTER, self.registered)
            self._fetcher.unpark()
            self._unregistered()

    # One job.

    def _start_arrivals(self) -> None:
        if not self._arrivals:
            return
        arrivals, self._arrivals = self._arrivals, []
        # Several parked waits may have brought more than there are slots: the lowest priority goes back.
        arrivals.sort(key=lambda delivery: self._rank[delivery.place])
        self._start(arrivals)
        if self._holdings.slots.value == 0:
            self._fetcher.unpark()

    def _start(self, deliveries: list[Delivery]) -> None:
        if self._paused:
            deliveries = self._without_paused(deliveries)
        room = self._holdings.occupy(deliveries) if self._is_fetching else 0
        self._hand_back(deliveries[room:])
        if room:
            self._execute(deliveries[:room])

    def _execute(self, deliveries: list[Delivery]) -> None:
        if self._is_trusted():
            self._executions.start(deliveries)
            self._has_started = True
        else:
            # A reply that was long under way: others may have taken this worker for dead, and run the jobs.
            self._doubtful += deliveries
            self._unregistered()

    def _start_doubtful(self) -> None:
        doubtful, self._doubtful = self._doubtful, []
        if self._is_fetching and not self._is_trusted():
            self._doubtful = doubtful
        elif doubtful:
            self._go_on(doubtful)

    def _go_on(self, deliveries: list[Delivery]) -> None:
        """Run deliveries that have their slots, unless the worker was stopped or the queue paused meanwhile."""
        if self._paused:
            deliveries = self._without_paused(deliveries)
        if self._is_fetching:
            self._executions.start(deliveries)
        else:
            self._hand_back(deliveries)

    def _without_paused(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Hand back what comes from a paused queue, and return the others."""
        self._hand_back([delivery for delivery in deliveries if delivery.place in self._paused])
        return [delivery for delivery in deliveries if delivery.place not in self._paused]

    def _hand_back(self, deliveries: list[Delivery]) -> None:
        # The last first: they may be settled in several calls, and the one that was taken first belongs to the head.
        for delivery in reversed(deliveries):
            self._executions.hand_back(delivery)

    # One settlement.

    def _settle_later(self, turn: Turn) -> None:
        asyncio.get_running_loop().call_later(_SETTLE_AGAIN_AFTER, self._executions.settle_again, list(turn.unsettled))

    def _report_lost(self, turn: Turn) -> None:
        for delivery in turn.lost:
            self._holdings.let_go(delivery)
        logger.warning(
            "%d jobs ended here that are no longer this worker's: nothing is recorded for them",
            len(turn.lost),
        )
