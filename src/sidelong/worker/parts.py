"""What runs under one identity of a worker, put together."""

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Protocol

from sidelong.client.client import Client
from sidelong.client.registry import Registry
from sidelong.client.steps import Steps
from sidelong.core.config import Capsule, Config
from sidelong.core.delivery import Delivery
from sidelong.core.job_figures import JobFigures
from sidelong.core.lifecycle import Event, Hooks
from sidelong.core.middleware import Chain
from sidelong.store.control import CancelAnswer
from sidelong.store.link import Link
from sidelong.store.processes import BeatAnswer
from sidelong.store.store import Store
from sidelong.worker.control import Control
from sidelong.worker.dispatcher import Dispatcher
from sidelong.worker.executor import Executor
from sidelong.worker.fetcher import Fetcher
from sidelong.worker.heartbeat import Heartbeat, Presence, process_facts
from sidelong.worker.metrics import MetricsFlush
from sidelong.worker.outage import Outage
from sidelong.worker.pauses import Pauses
from sidelong.worker.poller import Poller
from sidelong.worker.recorder import Recorder
from sidelong.worker.recovery import Recovery
from sidelong.worker.retries import Retries
from sidelong.worker.stop import StopFlag
from sidelong.worker.suspects import Suspects
from sidelong.worker.threads import JobThreads
from sidelong.worker.watchdog import Watchdog


class Service(Protocol):
    """Something that runs beside the worker's own parts; features bring them."""

    async def run(self, stop: StopFlag) -> None:
        """Work until `stop` is set; look at it after every await."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What all lives of a worker share.

    Attributes:
        config: frozen settings.
        capsules: what it serves.
        store: reaches Redis.
        registry: the jobs it can run.
        client: runs client middleware for due jobs.
        hooks: lifecycle, error and death handlers.
        server_chain: middleware around every job.
        threads: where `def` jobs run.
        services: run beside the worker's own parts.
        executions: what is executed is added here, by job name.
        context: a snapshot of the context at boot, which every job gets a copy of.
        version: what the process record shows.
        is_embedded: whether a host program owns the process.
        on_signal: called with remote signals.
        emit: calls the handlers of a lifecycle event without waiting for them.
    """

    config: Config
    capsules: Sequence[Capsule]
    store: Store
    registry: Registry
    client: Client
    hooks: Hooks
    server_chain: Chain
    threads: JobThreads
    services: Sequence[Service]
    executions: dict[str, JobFigures]
    context: contextvars.Context
    version: str
    is_embedded: bool
    on_signal: Callable[[str], None]
    emit: Callable[[Event], None]


class Host(Protocol):
    """What the parts tell and ask the life they belong to."""

    identity: str
    quieted: StopFlag
    stopped: StopFlag

    def running(self) -> list[Delivery]:
        """Return the deliveries that are being executed."""
        ...

    def presence(self) -> Presence:
        """Return what the heartbeat tells."""
        ...

    def beat_answered(self, answer: BeatAnswer) -> None:
        """Take what Redis answered to a heartbeat."""

    def is_trusted(self) -> bool:
        """Tell whether nobody can have taken this worker for dead."""
        ...

    def cancel_job(self, jid: str) -> CancelAnswer:
        """Call a job off if it is here."""
        ...

    def register_again(self) -> None:
        """Beat now."""

    def is_back(self) -> None:
        """Redis answers again."""


class Parts:
    """Makes every part of one life and gives each the few things it uses.

    Attributes:
        dispatchers: one per capsule.
        fetchers: one per capsule, in the same order.
        queues: names of all queues served.
        metrics: takes to Redis what is counted; None where nobody wants to know.
    """

    def __init__(self, setup: Setup, host: Host) -> None:
        self._setup = setup
        self._host = host
        self._random = Random()
        self._links: list[Link] = []
        clock = setup.store.clock
        self.queues = list(dict.fromkeys(name for capsule in setup.capsules for name, _ in capsule.queues))
        self.outage = Outage(setup.store.address, clock.monotonic, host.is_back)
        recovery_link = self._link("recovery")
        self.owners = setup.store.owners(recovery_link)
        self._control = self._link("control")
        self._retries = Retries(setup.config, clock, setup.hooks, self._random)
        self._suspects = Suspects(partial(self.owners.mark_alone, host.identity))
        self._recorder = Recorder() if setup.config.metrics else None
        self._steps = Steps(setup.store.steps, setup.store.close)
        self.dispatchers = [self._dispatcher(capsule) for capsule in setup.capsules]
        self.fetchers = [self._fetcher(dispatcher) for dispatcher in self.dispatchers]
        self.pauses = Pauses(
            names=self.queues, link=self._control, changed=self._pause, outage=self.outage, stop=host.quieted
        )
        self.poller = Poller(
            sets=setup.store.timed_sets(self._link("poller")),
            pauses=self.pauses,
            client=setup.client,
            hooks=setup.hooks,
            config=setup.config,
            outage=self.outage,
            random=self._random,
            stop=host.quieted,
        )
        self.recovery = Recovery(
            owners=self.owners,
            identity=host.identity,
            config=setup.config,
            clock=clock,
            hooks=setup.hooks,
            outage=self.outage,
            stop=host.stopped,
        )
        self.watchdog = Watchdog(asyncio.get_running_loop(), setup.config.lag_threshold, host.running, clock.monotonic)
        self.heartbeat = self._heartbeat()
        wait = Control.wait_seconds(setup.config.block_time)
        self.control = Control(
            messages=setup.store.control_list(
                self._link("messages", answer_within=3 * wait), self._control, identity=host.identity
            ),
            look_at_pauses=self.pauses.look,
            beat=self.heartbeat.beat_soon,
            cancel=host.cancel_job,
            outage=self.outage,
            wait=wait,
        )
        self.metrics: MetricsFlush | None = None
        if self._recorder is not None:
            # Both ask seldom: they can share a connection.
            writer = setup.store.metrics_writer(recovery_link, host.identity)
            self.metrics = MetricsFlush(self._recorder, setup.executions, writer, setup.config, self.outage)

    async def close_links(self) -> None:
        """Give all connections back; what still waits for an answer ends."""
        await asyncio.gather(*(link.close() for link in self._links), self._setup.store.close_steps())

    def _link(self, name: str, answer_within: float | None = None) -> Link:
        link = self._setup.store.link(name, answer_within=answer_within)
        self._links.append(link)
        return link

    def _pause(self, names: frozenset[str]) -> None:
        for dispatcher in self.dispatchers:
            dispatcher.pause(names)

    def _dispatcher(self, capsule: Capsule) -> Dispatcher:
        setup, host = self._setup, self._host
        executor = Executor(
            config=setup.config,
            clock=setup.store.clock,
            registry=setup.registry,
            server_chain=setup.server_chain,
            hooks=setup.hooks,
            retries=self._retries,
            suspects=self._suspects,
            threads=setup.threads,
            is_stopping=lambda: host.stopped.is_set,
            recorder=self._recorder,
            steps=self._steps,
        )
        return Dispatcher(
            capsule=capsule,
            config=setup.config,
            clock=setup.store.clock,
            executor=executor,
            context=setup.context,
            random=self._random,
            unregistered=host.register_again,
            is_trusted=host.is_trusted,
            recorder=self._recorder,
        )

    def _fetcher(self, dispatcher: Dispatcher) -> Fetcher:
        config, capsule, names = self._setup.config, dispatcher.capsule, dispatcher.names
        # No answer for three times as long as a wait may take: the connection is dead, whatever TCP says.
        turns = self._link(f"{capsule.name}-turns", 3 * config.block_time)
        longest_park = 3 * Fetcher.park_seconds(config.block_time, len(names))
        fetcher = Fetcher(
            config=config,
            queues=self._setup.store.capsule_queues(
                turns, identity=self._host.identity, capsule=capsule.name, names=names
            ),
            turns=turns,
            parks=[self._link(f"{capsule.name}-park-{name}", longest_park) for name in names],
            control=self._control,
            outage=self.outage,
            arrived=dispatcher.arrived,
            poked=dispatcher.poke,
        )
        dispatcher.connect(fetcher)
        return fetcher

    def _heartbeat(self) -> Heartbeat:
        setup, host = self._setup, self._host
        return Heartbeat(
            heart=setup.store.heart(host.identity),
            identity=host.identity,
            queues=self.queues,
            concurrency=sum(capsule.concurrency for capsule in setup.capsules),
            facts=process_facts(
                identity=host.identity,
                config=setup.config,
                capsules=setup.capsules,
                started_at=setup.store.clock.now(),
                version=setup.version,
                is_embedded=setup.is_embedded,
            ),
            classes=sorted(job.name for job in setup.registry),
            config=setup.config,
            clock=setup.store.clock,
            presence=host.presence,
            watchdog=self.watchdog,
            answered=host.beat_answered,
            missed=self.outage.begins,
        )
