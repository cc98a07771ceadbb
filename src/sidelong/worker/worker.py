"""The worker: fetches, runs and settles jobs in the event loop it is started in."""

import asyncio
import contextvars
import logging
from collections.abc import Sequence
from types import TracebackType
from weakref import WeakSet

from sidelong.client.calls import host_calls
from sidelong.client.client import Client
from sidelong.client.registry import Registry
from sidelong.core.config import Config
from sidelong.core.delivery import Delivery
from sidelong.core.display import shown
from sidelong.core.job_figures import JobFigures
from sidelong.core.lifecycle import Event, Hooks
from sidelong.core.logs.message import LogMessage
from sidelong.core.logs.repeats import REPEATS
from sidelong.core.middleware import Chain, Middleware
from sidelong.errors import StoreError
from sidelong.store.store import Store
from sidelong.worker import stacks
from sidelong.worker.life import Life
from sidelong.worker.parts import Service, Setup
from sidelong.worker.threads import JobThreads

logger = logging.getLogger("sidelong.worker")

_READY_WITHIN_BEATS = 3
_HANDLERS_END_WITHIN = 1.0
_EXIT_ENDS_WITHIN = 5.0
_inside_hosts: WeakSet["Worker"] = WeakSet()


def workers_inside_hosts() -> list["Worker"]:
    """Return the workers that were begun with `async with` in the running event loop and have not ended."""
    loop = asyncio.get_running_loop()
    return [worker for worker in _inside_hosts if worker._loop is loop and not worker._has_ended]


class Worker:
    """Runs jobs until it is stopped; made by `app.worker(...)`.

    Stand-alone: `await worker.run()`. Inside a host program: `async with worker:`, which installs no signal
    handlers, changes no logging, and stops the worker at the end of the block.

    Args:
        config: frozen settings.
        store: reaches Redis.
        registry: the jobs it can run.
        client: runs client middleware for due jobs.
        hooks: lifecycle, error and death handlers.
        server_chain: middleware around every job.
        services: run beside the worker's own, until it stops.
        executions: what is executed is added here, by job name.
        version: what the process record shows.
    """

    def __init__(
        self,
        *,
        config: Config,
        store: Store,
        registry: Registry,
        client: Client,
        hooks: Hooks,
        server_chain: Chain,
        services: Sequence[Service] = (),
        executions: dict[str, JobFigures] | None = None,
        version: str = "",
    ) -> None:
        self.config = config
        self.capsules = config.all_capsules(registry.queues())
        self._store = store
        self._registry = registry
        self._client = client
        self._hooks = hooks
        self._chain = server_chain
        self._services = tuple(services)
        self._executions = {} if executions is None else executions
        self._version = version
        self._threads = JobThreads()
        self._is_embedded = False
        self._is_quiet = False
        self._is_stopping = False
        self._is_stopping_now = False
        self._life: Life | None = None
        self._started: asyncio.Future[None] | None = None
        self._course: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handlers: dict[Event, asyncio.Task[None]] = {}
        self._patience: dict[Event, asyncio.Timeout] = {}

    # Running.

    async def run(self) -> None:
        """Work until stopped; returns once every job is settled, handed back, or left to recovery.

        Cancelling this call cancels the running jobs and hands them back before it ends.

        Raises:
            StoreError: Redis cannot be reached or used at the start.
            Exception: what a startup handler raised.
        """
        course = self._begin()
        cancelled: asyncio.CancelledError | None = None
        while not course.done():
            try:
                # The work goes on while this task is being cancelled: it must hand back what it holds.
                await asyncio.shield(course)
            except asyncio.CancelledError as error:
                if course.cancelled():
                    raise
                cancelled = error
                self.stop_now()
            except Exception:
                break
        if cancelled is not None:
            raise cancelled
        course.result()

    async def __aenter__(self) -> "Worker":
        """Start working beside the host's own tasks.

        Raises:
            StoreError: Redis cannot be reached or used.
            Exception: what a startup handler raised.
        """
        self._is_embedded = True
        course = self._begin()
        _inside_hosts.add(self)
        assert self._started is not None
        try:
            await asyncio.wait({course, self._started}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.stop_now()
            raise
        if course.done():
            course.result()
        course.add_done_callback(_log_fault)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def wait(self) -> None:
        """Wait until the worker has ended.

        Raises:
            Exception: the fault that ended it, if it was not stopped.
        """
        if self._course is not None:
            await asyncio.shield(self._course)

    # Ending.

    def quiet(self) -> None:
        """Fetch and promote no more; running jobs go on. It cannot be undone."""
        if self._is_quiet:
            return
        self._is_quiet = True
        if self._life is not None:
            self._life.quiet()
        self._emit("quiet")

    def stop_soon(self) -> None:
        """Ask the worker to stop, and return at once: running jobs get `timeout` seconds."""
        if self._is_stopping:
            return
        self._is_stopping = True
        self._cut_short("startup")
        self.quiet()
        self._emit("shutdown")
        if self._life is not None:
            self._life.stop()

    def stop_now(self) -> None:
        """Ask the worker to cancel running jobs now, hand them back and stop; returns at once.

        Exit handlers that are running are cancelled; those that begin later have their time.
        """
        self._is_stopping_now = True
        self._cut_short("exit")
        self.stop_soon()
        if self._life is not None:
            self._life.stop_now()

    async def stop(self) -> None:
        """Stop and wait until the worker has ended; a fault that ended it before is for `wait` to raise."""
        self.stop_soon()
        if self._course is None:
            return
        try:
            await asyncio.shield(asyncio.wait({self._course}))
        except asyncio.CancelledError:
            self.stop_now()
            await asyncio.wait({self._course})
            raise

    # Being looked at.

    @property
    def identity(self) -> str | None:
        """The identity under which this worker holds jobs; None before it runs."""
        return self._life.identity if self._life is not None else None

    @property
    def is_live(self) -> bool:
        """True while the event loop turns; asks nobody but the loop."""
        return self._life is None or self._life.watchdog.is_live

    @property
    def is_ready(self) -> bool:
        """True while heartbeats get through, Redis answers and the worker fetches; asks nobody."""
        if self._life is None or self._is_quiet or self._life.is_cut_off:
            return False
        silent_for = self._store.clock.monotonic() - self._life.heartbeat.beaten_at
        return silent_for < _READY_WITHIN_BEATS * self.config.beat_interval

    @property
    def is_quiet(self) -> bool:
        """True once it was told to fetch no more; so is one that stops."""
        return self._is_quiet

    @property
    def is_stopping(self) -> bool:
        """True once it was told to stop."""
        return self._is_stopping

    @property
    def _has_ended(self) -> bool:
        return self._course is not None and self._course.done()

    @property
    def running(self) -> Sequence[Delivery]:
        """What is being executed now."""
        return self._life.running() if self._life is not None else ()

    def stuck_threads(self) -> list[str]:
        """Return the `def` jobs that still run in threads, which nobody can interrupt."""
        return self._threads.running()

    def dump_stacks(self) -> str:
        """Return the stacks of all tasks and threads, with the jobs that run in them."""
        return stacks.dump(self._loop, self.running, self.stuck_threads())

    # Its course.

    def _begin(self) -> "asyncio.Task[None]":
        if self._course is not None:
            raise RuntimeError("a worker runs once: make another one with app.worker()")
        logger.debug("server middleware, outermost first: %s", ", ".join(map(_name, self._chain)) or "none")
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.create_future()
        self._course = self._loop.create_task(self._live(self._setup()), name="sidelong-worker")
        return self._course

    async def _live(self, setup: Setup) -> None:
        await self._store.check()
        if self._is_stopping:
            return
        await self._handle("startup", within=None)
        try:
            while not self._is_stopping:
                self._life = Life(setup)
                await self._run_life(self._life)
        finally:
            self._threads.close()
            await self._handle("exit", within=_EXIT_ENDS_WITHIN)
            await self._end_handlers()
            # Now, and not by a thread that stays behind in a program that goes on.
            REPEATS.flush()

    async def _handle(self, event: Event, within: float | None) -> None:
        """Call the handlers of an event, and cancel them after `within` seconds or when they are cut short.

        They run in this task, all of them: what startup enters, exit can leave.
        """
        patience = asyncio.timeout(within)
        try:
            async with patience:
                self._patience[event] = patience
                await self._hooks.emit(event)
        except TimeoutError:
            if not patience.expired():
                raise
            logger.error("the %s handlers did not end and were cancelled", event)
        finally:
            del self._patience[event]

    def _cut_short(self, event: Event) -> None:
        patience = self._patience.get(event)
        if patience is not None and self._loop is not None and not patience.expired():
            patience.reschedule(self._loop.time())

    async def _end_handlers(self) -> None:
        """Wait a little for the handlers nobody has waited for, and cancel those that hang."""
        if self._handlers:
            await asyncio.wait(self._handlers.values(), timeout=_HANDLERS_END_WITHIN)
        hanging = {event: task for event, task in self._handlers.items() if not task.done()}
        for event, task in hanging.items():
            logger.error("the %s handlers did not end and were cancelled", event)
            task.cancel()
        if hanging:
            await asyncio.wait(hanging.values(), timeout=_HANDLERS_END_WITHIN)

    async def _run_life(self, life: Life) -> None:
        if self._is_quiet:
            life.quiet()
        try:
            await life.run(self._announce)
        except StoreError as error:
            assert self._started is not None
            if not self._started.done():
                raise
            # This worker ran before and was fenced: it tries to come back until it is told to stop.
            logger.error("this worker cannot come back yet: %s", error)
            await asyncio.sleep(1.0)

    def _setup(self) -> Setup:
        context = contextvars.copy_context()
        # `.sync` in the threads of jobs pushes on this loop.
        context.run(host_calls)
        return Setup(
            config=self.config,
            capsules=self.capsules,
            store=self._store,
            registry=self._registry,
            client=self._client,
            hooks=self._hooks,
            server_chain=self._chain,
            threads=self._threads,
            services=self._services,
            executions=self._executions,
            context=context,
            version=self._version,
            is_embedded=self._is_embedded,
            on_signal=self._on_remote_signal,
            emit=self._emit,
        )

    def _announce(self) -> None:
        assert self._started is not None
        if not self._started.done():
            self._started.set_result(None)
        if self._is_stopping and self._life is not None:
            self._life.stop_now() if self._is_stopping_now else self._life.stop()

    def _on_remote_signal(self, signal: str) -> None:
        if self._is_embedded:
            logger.warning("remote signal %s is ignored: this worker lives in another program", shown(signal))
        elif signal == "TSTP":
            self.quiet()
        elif signal == "TERM":
            self.stop_soon()
        elif signal == "TTIN":
            logger.warning(LogMessage("stacks, as asked for by a remote signal:", lines=self.dump_stacks()))
        else:
            logger.warning("remote signal %s is not known", shown(signal))

    def _emit(self, event: Event) -> None:
        if self._loop is None or self._loop.is_closed():
            return
        if event in self._handlers:
            # Its handlers still run. Were each beat to begin them once more, those that hang would pile up.
            return
        task = self._loop.create_task(self._hooks.emit(event))
        self._handlers[event] = task
        task.add_done_callback(lambda _: self._handlers.pop(event))


def _name(middleware: Middleware) -> str:
    return str(getattr(middleware, "__qualname__", type(middleware).__name__))


def _log_fault(course: "asyncio.Task[None]") -> None:
    if not course.cancelled() and (fault := course.exception()) is not None:
        logger.critical("the worker has ended by a fault; await worker.wait() raises it", exc_info=fault)
