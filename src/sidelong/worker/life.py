"""One identity of a worker, from registration to the day it leaves: everything that runs under it.

Usually a worker has one life. One that was declared dead while it was frozen has lost its jobs to others: it ends
this life and begins another, under a new identity.
"""

import asyncio
import contextvars
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from random import Random
from typing import Protocol

import anyio

from sidelong.client.client import Client
from sidelong.client.registry import Registry
from sidelong.core.config import Capsule, Config
from sidelong.core.delivery import CancelReason, Delivery
from sidelong.core.lifecycle import Event, Hooks
from sidelong.core.middleware import Chain
from sidelong.errors import StoreError
from sidelong.store.link import Link
from sidelong.store.processes import BeatAnswer
from sidelong.store.store import Store
from sidelong.worker.dispatcher import Dispatcher
from sidelong.worker.executor import Executor
from sidelong.worker.fetcher import Fetcher
from sidelong.worker.heartbeat import Heartbeat, Presence, process_facts
from sidelong.worker.outage import Outage
from sidelong.worker.poller import Poller
from sidelong.worker.recovery import Recovery
from sidelong.worker.retries import Retries
from sidelong.worker.stop import StopFlag
from sidelong.worker.suspects import Suspects
from sidelong.worker.threads import JobThreads
from sidelong.worker.watchdog import Watchdog

logger = logging.getLogger("sidelong.worker")

_FLUSH_WITHIN = 2.0
_FLUSH_AT_LEAST = 0.5
_INSPECT_FOR = 86_400
_AFTER_FAULT = 5.0
_SERVICES_END_WITHIN = 1.0


class Service(Protocol):
    """Something that runs beside the worker's own parts; features bring them."""

    async def run(self, stop: StopFlag) -> None:
        """Work until `stop` is set; look at it after every await."""


class Life:
    """Registers an identity, runs its services, and winds them down in order.

    Args:
        on_signal: called with remote signals.
        emit: calls the handlers of a lifecycle event without waiting for them.
        version: what the process record shows.
    """

    def __init__(
        self,
        *,
        identity: str,
        config: Config,
        capsules: Sequence[Capsule],
        store: Store,
        registry: Registry,
        client: Client,
        hooks: Hooks,
        server_chain: Chain,
        version: str,
        is_embedded: bool,
        on_signal: Callable[[str], None],
        emit: Callable[[Event], None],
        context: contextvars.Context,
        threads: JobThreads,
        services: Sequence[Service],
    ) -> None:
        clock = store.clock
        random = Random()
        self.identity = identity
        self.is_fenced = False
        self._config = config
        self._clock = clock
        self._hooks = hooks
        self._on_signal = on_signal
        self._services = services
        self._loop = asyncio.get_running_loop()
        self._quiet = StopFlag()
        self._stop = StopFlag()
        self._stop_now = StopFlag()
        self._over = StopFlag()
        self._emit = emit
        self._outage = Outage(store.address, clock.monotonic, self._is_back)

        retries = Retries(config, clock, hooks, random)
        self._links: list[Link] = []
        self._control = self._link(store, "control")
        self._owners = store.owners(self._link(store, "recovery"))
        suspects = Suspects(partial(self._owners.mark_alone, identity))
        self.dispatchers: list[Dispatcher] = []
        self._fetchers: list[Fetcher] = []
        for capsule in capsules:
            executor = Executor(
                config=config,
                clock=clock,
                registry=registry,
                server_chain=server_chain,
                hooks=hooks,
                retries=retries,
                suspects=suspects,
                threads=threads,
                is_stopping=lambda: self._stop.is_set,
            )
            dispatcher = Dispatcher(
                capsule=capsule,
                config=config,
                clock=clock,
                executor=executor,
                context=context,
                random=random,
                unregistered=self._register_again,
                is_trusted=self._is_trusted,
            )
            dispatcher.connect(self._fetcher(store, capsule, dispatcher))
            self.dispatchers.append(dispatcher)
        self._poller = Poller(
            sets=store.timed_sets(self._link(store, "poller")),
            client=client,
            hooks=hooks,
            config=config,
            outage=self._outage,
            random=random,
            stop=self._quiet,
        )
        self._recovery = Recovery(
            owners=self._owners,
            identity=identity,
            config=config,
            clock=clock,
            hooks=hooks,
            outage=self._outage,
            stop=self._stop,
        )
        self.watchdog = Watchdog(self._loop, config.lag_threshold, self.running, clock.monotonic)
        self._queues = list(dict.fromkeys(name for capsule in capsules for name, _ in capsule.queues))
        self.heartbeat = Heartbeat(
            heart=store.heart(identity),
            identity=identity,
            queues=self._queues,
            concurrency=sum(capsule.concurrency for capsule in capsules),
            facts=process_facts(
                identity=identity,
                config=config,
                capsules=capsules,
                started_at=clock.now(),
                version=version,
                is_embedded=is_embedded,
            ),
            classes=sorted(job.name for job in registry),
            config=config,
            clock=clock,
            presence=self._presence,
            watchdog=self.watchdog,
            answered=self._beat_answered,
            missed=self._outage.begins,
        )

    # What the worker asks for.

    def running(self) -> list[Delivery]:
        """Return the deliveries that are being executed; may be called from any thread."""
        return [delivery for dispatcher in self.dispatchers for delivery in dispatcher.running]

    def quiet(self) -> None:
        """Fetch and promote no more; what runs goes on."""
        self._quiet.set()
        for dispatcher in self.dispatchers:
            dispatcher.quiet()

    def stop(self) -> None:
        """End: wait for running jobs, for as long as the timeout allows."""
        self.quiet()
        self._stop.set()

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
            started()
            self._emit("heartbeat")
            async with anyio.create_task_group() as services:
                for dispatcher, fetcher in zip(self.dispatchers, self._fetchers, strict=True):
                    services.start_soon(dispatcher.run)
                    services.start_soon(fetcher.stand)
                for run in (self._poller.run, self._recovery.run, self._audit):
                    services.start_soon(self._keep_running, run)
                for service in self._services:
                    services.start_soon(self._keep_running, partial(service.run, self._stop))
                await self._stop.wait()
                await self._wind_down()
                # Only code of others can still be under way: middleware of a due job, or a feature's service.
                services.cancel_scope.deadline = anyio.current_time() + _SERVICES_END_WITHIN
        finally:
            # Only after a fault is anything still running here.
            for dispatcher in self.dispatchers:
                dispatcher.cancel(CancelReason.STOP)
            self.heartbeat.end()
            await self._close_links()
            await self.heartbeat.join(0.5)

    async def _wind_down(self) -> None:
        config = self._config
        latest = self._loop.time() + config.timeout + config.cancel_grace + 0.8
        if not self._stop_now.is_set and not self.is_fenced:
            await self._until_idle(config.timeout, self._stop_now)
        if self.running():
            logger.info("%d jobs are cancelled and go back to their queues", len(self.running()))
            for dispatcher in self.dispatchers:
                dispatcher.cancel(CancelReason.FENCED if self.is_fenced else CancelReason.STOP)
            await self._until_idle(config.cancel_grace)
        self._abandon_all()
        budget = max(_FLUSH_AT_LEAST, min(_FLUSH_WITHIN, latest - self._loop.time()))
        await self._until(self._is_settled, budget)
        self._over.set()
        for dispatcher in self.dispatchers:
            dispatcher.give_up()
        await self._leave()
        # Whatever still waits for a Redis that does not answer ends with its connection.
        await self._close_links()

    async def _close_links(self) -> None:
        for link in self._links:
            await link.close()

    def _is_settled(self) -> bool:
        return all(fetcher.is_home for fetcher in self._fetchers) and all(
            dispatcher.is_settled for dispatcher in self.dispatchers
        )

    async def _leave(self) -> None:
        """Leave the owners, if Redis answers soon; else recovery takes this identity for dead, and is right."""
        self.heartbeat.end()
        await self.heartbeat.join(0.5)
        has_ghosts = any(fetcher.has_ghosts for fetcher in self._fetchers)
        leaving = self._loop.create_task(self._leave_owners(_INSPECT_FOR if has_ghosts else 0))
        done, _ = await asyncio.wait({leaving}, timeout=_FLUSH_AT_LEAST)
        if not done:
            leaving.cancel()

    async def _leave_owners(self, inspect_for: float) -> None:
        try:
            await self._owners.leave(self.identity, self._queues, inspect_for=inspect_for)
        except StoreError as error:
            logger.warning("this worker could not sign off; others will see to its jobs: %s", error)

    def _abandon_all(self) -> None:
        for dispatcher in self.dispatchers:
            if stuck := dispatcher.running:
                logger.warning("%d jobs do not end when cancelled; they are handed back all the same", len(stuck))
                dispatcher.abandon(is_fenced=self.is_fenced)

    async def _until_idle(self, within: float, unless: StopFlag | None = None) -> None:
        await self._until(lambda: not self.running() or (unless is not None and unless.is_set), within)

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
            except Exception as error:
                await self._hooks.report_error(error, {"context": "service"})
                await self._stop.sleep(_AFTER_FAULT)

    async def _audit(self) -> None:
        while not self._over.is_set:
            await self._over.sleep(self._config.beat_interval)
            for dispatcher in self.dispatchers:
                try:
                    await dispatcher.reconcile()
                except StoreError as error:
                    self._outage.begins(error)

    # What the heartbeat brings.

    def _presence(self) -> Presence:
        return Presence(
            running=self.running(),
            is_quiet=self._quiet.is_set,
            processed=sum(dispatcher.processed for dispatcher in self.dispatchers),
            failed=sum(dispatcher.failed for dispatcher in self.dispatchers),
        )

    def _beat_answered(self, answer: BeatAnswer) -> None:
        if answer.is_buried:
            self._fence()
            return
        self._outage.ends()
        if not answer.was_known:
            logger.warning("the lease of this worker had run out; it is registered again")
        for error in answer.errors:
            logger.error("part of a heartbeat was refused: %s", error)
        for dispatcher in self.dispatchers:
            dispatcher.registered()
        self._emit("beat")
        if answer.signal:
            self._on_signal(answer.signal)

    def _fence(self) -> None:
        if self.is_fenced:
            return
        self.is_fenced = True
        logger.error(
            "others took this worker for dead and run its %d jobs again; it drops them and begins anew",
            len(self.running()),
        )
        self.stop()

    def _is_trusted(self) -> bool:
        return self._clock.monotonic() - self.heartbeat.beaten_at < self._config.lease_ttl

    def _register_again(self) -> None:
        self.heartbeat.beat_soon()

    def _is_back(self) -> None:
        self._emit("heartbeat")

    # How it is put together.

    def _link(self, store: Store, name: str, answer_within: float | None = None) -> Link:
        link = store.link(name, answer_within=answer_within)
        self._links.append(link)
        return link

    def _fetcher(self, store: Store, capsule: Capsule, dispatcher: Dispatcher) -> Fetcher:
        names = dispatcher.names
        block = self._config.block_time
        # No answer for three times as long as a wait may take: the connection is dead, whatever TCP says.
        turns = self._link(store, f"{capsule.name}-turns", 3 * block)
        parks = [
            self._link(store, f"{capsule.name}-park-{name}", 3 * Fetcher.park_seconds(block, len(names)))
            for name in names
        ]
        fetcher = Fetcher(
            config=self._config,
            queues=store.capsule_queues(turns, identity=self.identity, capsule=capsule.name, names=names),
            turns=turns,
            parks=parks,
            control=self._control,
            outage=self._outage,
            arrived=dispatcher.arrived,
            poked=dispatcher.poke,
        )
        self._fetchers.append(fetcher)
        return fetcher
