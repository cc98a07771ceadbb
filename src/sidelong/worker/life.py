"""One identity of a worker, from registration to the day it leaves.

Usually a worker has one life. One that was declared dead while it was frozen has lost its jobs to others: it ends
this life and begins another, under a new identity.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import anyio

from sidelong.core.cancellation import is_of_this_task
from sidelong.core.counted import counted
from sidelong.core.delivery import CancelReason, Delivery
from sidelong.core.identity import new_identity
from sidelong.errors import StoreError
from sidelong.store.control import CancelAnswer
from sidelong.store.processes import BeatAnswer
from sidelong.worker.heartbeat import Presence
from sidelong.worker.parts import Parts, Setup
from sidelong.worker.stop import StopFlag

logger = logging.getLogger("sidelong.worker")

_FLUSH_WITHIN = 2.0
_FLUSH_AT_LEAST = 0.5
_INSPECT_FOR = 86_400
_AFTER_FAULT = 5.0
_SERVICES_END_WITHIN = 1.0


class Life:
    """Registers an identity, runs its parts, and winds them down in order.

    Args:
        setup: what all lives of a worker share.
    """

    def __init__(self, setup: Setup) -> None:
        self.identity = new_identity(setup.config.hostname)
        self.is_fenced = False
        self.quieted = StopFlag()
        self.stopped = StopFlag()
        self._stop_now = StopFlag()
        self._over = StopFlag()
        self._setup = setup
        self._config = setup.config
        self._loop = asyncio.get_running_loop()
        self._parts = Parts(setup, self)
        self.watchdog = self._parts.watchdog
        self.heartbeat = self._parts.heartbeat
        self._dispatchers = self._parts.dispatchers

    # What the worker asks for.

    def running(self) -> list[Delivery]:
        """Return the deliveries that are being executed; may be called from any thread."""
        return [delivery for dispatcher in self._dispatchers for delivery in dispatcher.running]

    @property
    def is_cut_off(self) -> bool:
        """True while Redis does not answer, or refuses to work."""
        return self._parts.outage.is_on

    def quiet(self) -> None:
        """Fetch and promote no more; what runs goes on."""
        self.quieted.set()
        for dispatcher in self._dispatchers:
            dispatcher.quiet()

    def stop(self) -> None:
        """End: wait for running jobs, for as long as the timeout allows."""
        self.quiet()
        self.stopped.set()

    def stop_now(self) -> None:
        """End: cancel running jobs and hand them back without waiting."""
        self._stop_now.set()
        self.stop()

    # Its course.

    async def run(self, started: Callable[[], None]) -> None:
        """Register, serve until `stop` or until others declare this identity dead, and wind down.

        Raises:
            StoreError: the registration failed.
        """
        try:
            await self.heartbeat.start()
            logger.debug("registered as %s", self.identity)
            started()
            self._setup.emit("heartbeat")
            await self._parts.pauses.know()
            async with anyio.create_task_group() as services:
                for dispatcher, fetcher in zip(self._dispatchers, self._parts.fetchers, strict=True):
                    services.start_soon(dispatcher.run)
                    services.start_soon(fetcher.stand)
                for run in (
                    self._parts.poller.run,
                    self._parts.pauses.run,
                    self._parts.recovery.run,
                    self._audit,
                ):
                    services.start_soon(self._keep_running, run)
                services.start_soon(self._keep_running, partial(self._parts.control.run, self._over))
                if self._parts.metrics is not None:
                    services.start_soon(self._keep_running, partial(self._parts.metrics.run, self.stopped))
                for service in self._setup.services:
                    services.start_soon(self._keep_running, partial(service.run, self.stopped))
                await self.stopped.wait()
                await self._wind_down()
                # Only code of others can still be under way: middleware of a due job, or a feature's service.
                services.cancel_scope.deadline = anyio.current_time() + _SERVICES_END_WITHIN
        except BaseExceptionGroup:
            await self._rescue()
            raise
        finally:
            self.heartbeat.end()
            await self._parts.close_links()
            await self.heartbeat.join(0.5)

    async def _wind_down(self) -> None:
        config = self._config
        latest = self._loop.time() + config.timeout + config.cancel_grace + 0.8
        if not self._stop_now.is_set and not self.is_fenced:
            # Others run the jobs already if this worker turns out to be fenced: there is nothing to wait for.
            await self._until(lambda: not self.running() or self._stop_now.is_set or self.is_fenced, config.timeout)
        if self.running():
            logger.info("cancelling %s: each goes back to its queue", counted(len(self.running()), "running job"))
            for dispatcher in self._dispatchers:
                dispatcher.cancel(CancelReason.FENCED if self.is_fenced else CancelReason.STOP)
            await self._until(lambda: not self.running(), config.cancel_grace)
        self._abandon_all()
        budget = max(_FLUSH_AT_LEAST, min(_FLUSH_WITHIN, latest - self._loop.time()))
        await self._until(self._is_settled, budget)
        self._over.set()
        if self._is_settled() and not self.is_fenced:
            await self._within(_FLUSH_AT_LEAST, self._sweep())
        for dispatcher in self._dispatchers:
            dispatcher.give_up()
        if self._parts.metrics is not None:
            await self._within(_FLUSH_AT_LEAST, self._parts.metrics.flush())
        await self._leave()
        # Whatever still waits for a Redis that does not answer ends with its connection.
        await self._parts.close_links()

    def _is_settled(self) -> bool:
        return all(fetcher.is_home for fetcher in self._parts.fetchers) and all(
            dispatcher.is_settled for dispatcher in self._dispatchers
        )

    async def _sweep(self) -> None:
        for dispatcher in self._dispatchers:
            await dispatcher.sweep()
        await self._until(self._is_settled, _FLUSH_AT_LEAST)

    async def _leave(self) -> None:
        """Leave the owners, if Redis answers soon; else recovery takes this identity for dead, and is right."""
        self.heartbeat.end()
        await self.heartbeat.join(0.5)
        has_ghosts = any(fetcher.has_ghosts for fetcher in self._parts.fetchers)
        inspect_for = _INSPECT_FOR if has_ghosts else 0
        leaving = self._parts.owners.leave(
            self.identity,
            self._parts.queues,
            inspect_for=inspect_for,
            is_flushed=self._parts.metrics is None or self._parts.metrics.is_done,
        )
        await self._within(_FLUSH_AT_LEAST, leaving)

    async def _rescue(self) -> None:
        """After a fault of a part that cannot be done without: hand back what is held, rather than let it be blamed."""
        for dispatcher in self._dispatchers:
            dispatcher.cancel(CancelReason.STOP)
        await self._until(lambda: not self.running(), self._config.cancel_grace)
        for dispatcher in self._dispatchers:
            await self._within(_FLUSH_WITHIN, dispatcher.rescue())
        await self._leave()

    async def _within(self, seconds: float, step: Coroutine[Any, Any, object]) -> None:
        """Take a step that Redis may hold up, and leave the rest to recovery if it takes too long."""
        task = self._loop.create_task(step)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            task.cancel()
        elif (error := task.exception()) is not None:
            logger.warning("a stop is incomplete; others will see to what is left: %s", error)

    def _abandon_all(self) -> None:
        for dispatcher in self._dispatchers:
            if stuck := dispatcher.running:
                these = "job that does not" if len(stuck) == 1 else "jobs that do not"
                logger.warning("leaving behind %d %s end when cancelled", len(stuck), these)
                dispatcher.abandon(is_fenced=self.is_fenced)

    async def _until(self, condition: Callable[[], bool], within: float) -> None:
        ends_at = self._loop.time() + within
        pause = 0.001
        while not condition() and self._loop.time() < ends_at:
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.05)

    async def _keep_running(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run a service; a fault of it is reported and costs neither the worker nor a job."""
        while True:
            try:
                return await run()
            except BaseException as error:
                # A cancellation that the service made itself would end the whole group of this life.
                if isinstance(error, GeneratorExit) or is_of_this_task(error):
                    raise
                await self._setup.hooks.report_error(error, {"context": "service"})
                await self.stopped.sleep(_AFTER_FAULT)

    async def _audit(self) -> None:
        while not self._over.is_set:
            await self._over.sleep(self._config.beat_interval)
            if self._over.is_set:
                # What is left is for the sweep.
                return
            for dispatcher in self._dispatchers:
                try:
                    await dispatcher.reconcile()
                except StoreError as error:
                    self._parts.outage.begins(error)

    # What its parts tell and ask.

    def presence(self) -> Presence:
        """Return what the heartbeat tells; called from its thread."""
        ended = [dispatcher.ended for dispatcher in self._dispatchers]
        return Presence(
            running=self.running(),
            is_quiet=self.quieted.is_set,
            processed=sum(processed for processed, _ in ended),
            failed=sum(failed for _, failed in ended),
        )

    def beat_answered(self, answer: BeatAnswer) -> None:
        """Take what Redis answered to a heartbeat."""
        if answer.is_buried:
            self._fence()
            return
        self._parts.outage.ends(self.heartbeat.beaten_at)
        if not answer.was_known:
            logger.warning("the lease of this worker had run out; it is registered again")
        for error in answer.errors:
            logger.error("part of a heartbeat was refused: %s", error)
        for dispatcher in self._dispatchers:
            dispatcher.registered()
        self._setup.emit("beat")
        if answer.signal:
            self._setup.on_signal(answer.signal)
            # There may be more.
            self.heartbeat.beat_soon()

    def is_trusted(self) -> bool:
        """Tell whether the latest beat is so recent that nobody can have taken this worker for dead."""
        return self._setup.store.clock.monotonic() - self.heartbeat.beaten_at < self._config.lease_ttl

    def register_again(self) -> None:
        """Redis does not know this worker, or may not: beat now."""
        self.heartbeat.beat_soon()

    def is_back(self) -> None:
        """Redis answers again."""
        self._setup.emit("heartbeat")

    def cancel_job(self, jid: str) -> CancelAnswer:
        """Call a job off if it is here."""
        if self.is_fenced:
            return CancelAnswer.ABSENT
        if not self.is_trusted():
            # Others may run the jobs that are here; the next beat tells.
            return CancelAnswer.MOVING
        answers = [dispatcher.cancel_job(jid) for dispatcher in self._dispatchers]
        return min(answers, key=list(CancelAnswer).index)

    def _fence(self) -> None:
        if self.is_fenced:
            return
        self.is_fenced = True
        logger.error(
            "others took this worker for dead and run its %d jobs again; it drops them and begins anew",
            len(self.running()),
        )
        self.stop()
