"""The application: settings, jobs, middleware, hooks and features in one place."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, Unpack, overload

from sidelong.client.cancelling import Canceller, CancelResult
from sidelong.client.client import Client
from sidelong.client.job import Job, P, check_function
from sidelong.client.job_class import JobClass, attach, check_class, inherited_layers, job_of
from sidelong.client.job_names import checked_aliases, checked_name
from sidelong.client.job_ref import JobRef
from sidelong.client.registry import Registry, wire_name
from sidelong.client.sync import SyncApp, SyncClient
from sidelong.client.validation import Enqueueable
from sidelong.core.config import DEFAULT_REDIS_URL, Settings
from sidelong.core.counted import counted
from sidelong.core.gauges import Gauges, Measure
from sidelong.core.job_figures import JobFigures
from sidelong.core.lifecycle import Event, Hooks
from sidelong.core.logs.repeats import limit_repeats
from sidelong.core.middleware import Chain
from sidelong.core.options import JobOptions, RetriesExhaustedHook, RetryInHook
from sidelong.core.setting_checks import did_you_mean
from sidelong.errors import ConfigurationError
from sidelong.settings import CODE, from_outside, resolve
from sidelong.store.store import Store

if TYPE_CHECKING:
    import redis.asyncio

    from sidelong.worker.worker import Worker

C = TypeVar("C", bound=JobClass)
F = TypeVar("F")
H = TypeVar("H", bound=Callable[..., Any])

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]


class JobDecorator(Protocol):
    """What `app.job(...)` returns."""

    # A class is callable as well; the checkers take the first overload that fits, which is what is meant.
    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, target: type[C], /
    ) -> type[C]: ...  # pyright: ignore[reportOverlappingOverload]
    @overload
    def __call__(self, target: Callable[P, F], /) -> Job[P, F]: ...


class Sidelong:
    """An application: what a web process enqueues with and what a worker runs.

    Args:
        redis: a URL (`redis://`, `rediss://`, `unix://`, `memory://`) or a `redis.asyncio.Redis`, whose
            address and credentials are used. Without it the environment or the settings file decides.
        store: reaches Redis in place of the one made from `redis`; for tests, with a clock of their own.
        settings: fields of `Config`, such as `concurrency`, `queues`, `timeout` or `default_job_options`. What is
            not given comes from the environment, the settings file or the defaults.

    Attributes:
        config: the settings, frozen.
        sources: where each of them comes from: `code`, a variable, a file and its section, or `default`.
        store: what touches Redis.
        registry: the jobs by wire name.
        client: pushes jobs.
        sync: the verbs for threads without an event loop.
        hooks: events, error handlers, death handlers.
        client_middleware: runs around every push; as a decorator it adds a middleware.
        server_middleware: runs around every execution; as a decorator it adds a middleware.
        services: what features run beside the jobs of a worker.
        gauges: measures of the user's own, for monitors.
        executions: what workers in this process have executed since it began, by job name; a heartbeat late, and
            empty where `metrics` is off.

    Raises:
        ConfigurationError: the address or a setting cannot work, or two capsules would serve one queue.
    """

    def __init__(
        self,
        redis: "str | redis.asyncio.Redis | None" = None,
        /,
        *,
        store: Store | None = None,
        **settings: Unpack[Settings],
    ) -> None:
        given = _known(settings)
        if isinstance(redis, str):
            given["redis_url"] = redis
        elif hasattr(redis, "connection_pool"):
            given["redis_url"] = DEFAULT_REDIS_URL
        elif redis is not None:
            raise ConfigurationError(
                f"the Redis to use must be a URL or a redis.asyncio.Redis, not {type(redis).__name__}"
            )
        effective = resolve(given)
        self.config = effective.config
        self.sources = effective.sources
        # Checked once here, rather than at the first job.
        JobOptions.merge(self.config.default_job_options)
        limit_repeats()
        self.registry = Registry()
        self.hooks = Hooks()
        self.client_middleware = Chain()
        self.server_middleware = Chain()
        self.services: list[Any] = []
        self.gauges = Gauges()
        self.executions: dict[str, JobFigures] = {}
        # Refuses an address that cannot be used; connections open when first used.
        try:
            self.store = store or Store(self.config, None if isinstance(redis, str) else redis)
        except ConfigurationError as error:
            raise from_outside(error, self.sources["redis_url"]) from None
        self.client = Client(
            self.config, self.client_middleware, lambda: self.store.pusher, close=lambda: self.store.close()
        )
        self.sync = SyncApp(SyncClient(self.client), enqueue=self.enqueue, cancel=self.cancel)

    def use_redis(self, url: str) -> None:
        """Use another Redis than the one given so far, for pushes as well as for workers.

        Raises:
            ConfigurationError: the address cannot be used.
        """
        self.config = replace(self.config, redis_url=url)
        self.sources = {**self.sources, "redis_url": CODE}
        self.store = Store(self.config)

    @overload
    def job(self, target: type[C], /) -> type[C]: ...  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
    @overload
    def job(self, target: Callable[P, F], /) -> Job[P, F]: ...
    @overload
    def job(
        self,
        /,
        *,
        name: str | None = ...,
        aliases: Sequence[str] = ...,
        queue: str = ...,
        retry: bool | int = ...,
        retry_for: float | timedelta | None = ...,
        retry_queue: str | None = ...,
        retry_in: RetryInHook | None = ...,
        retries_exhausted: RetriesExhaustedHook | None = ...,
        dead: bool = ...,
        backtrace: bool | int = ...,
        tags: list[str] | tuple[str, ...] = ...,
        timeout: float | timedelta | None = ...,
        log_level: str | None = ...,
        typed: bool = ...,
        transient: Sequence[type[Exception]] = ...,
        **extra: Any,
    ) -> JobDecorator: ...
    def job(
        self, target: Any = None, /, *, name: str | None = None, aliases: Sequence[str] = (), **options: Any
    ) -> Any:
        """Register a function or a `JobClass` as a job; bare, or with options as in `JobOptions`.

        Args:
            target: the function or class.
            name: the wire name, for instance of a Ruby class; by default `module.qualname`.
            aliases: other names that payloads may carry, such as the one before a rename.
            options: see `JobOptions`; unknown ones travel in the payload.

        Returns:
            A `Job` for a function; the class itself for a class.

        Raises:
            JobDefinitionError: the target cannot be a job, or the name is taken.
            ConfigurationError: an option cannot work.
        """

        def register(target: Any) -> Any:
            if isinstance(target, type):
                return self._register_class(target, name, aliases, options)
            return self._register_function(target, name, aliases, options)

        return register if target is None else register(target)

    async def enqueue(self, target: str | Enqueueable, *args: Any, **options: Any) -> JobRef | None:
        """Enqueue a job by its wire name, also for workers in other languages.

        If a job of this name is registered here, its options hold where none are given, and the arguments must fit
        its signature. Of a job that is not, nothing is known: it gets the default options, and the arguments are
        sent as they are.

        Args:
            target: the wire name or an alias; also a job itself.
            args: its arguments.
            options: as in `JobOptions`; also `at` (epoch seconds) and `jid`.

        Returns:
            The job's reference, or None if a client middleware stopped it.

        Raises:
            TypeError: the arguments do not fit the signature, or cannot travel as JSON (`ArgumentError`).
            ValueError: an option cannot work, or the payload is too large.
            NotEnqueued: nothing was stored; enqueuing again is safe.
            EnqueueUncertain: Redis did not answer; the job may have been stored.
        """
        job = self._find(target)
        if job is None:
            jid = await self.client.enqueue(target, *args, **options)
        else:
            jid = await self.client.enqueue(job, *job.bind(args), **options)
        return None if jid is None else JobRef(jid)

    async def cancel(self, jid: str | JobRef) -> CancelResult:
        """Call a job off: one that waits is removed, one that runs is cancelled on whichever process has it.

        A coroutine gets `asyncio.CancelledError`, as at a timeout, and may clean up; it is not tried again whatever it
        then does. A `def` job cannot be interrupted: `current_context().cancelled` is true for it, and it is not tried
        again once it ends. No handler of deaths is called. Jobs in the dead set do not wait, and stay.

        Redis: a script and HGETALL, O(number of workers), a few times until the workers have answered; then, unless a
        worker has the job, ZSCAN of `schedule` and `retry` and LRANGE of all queues in steps of 500, O(number of
        waiting jobs), twice, for half a second but at least three times while jobs move, and up to twenty times if a
        worker hands the job on each time. An empty jid is found nowhere, and costs nothing.

        Returns:
            What became of the job. One that ends, fails or is handed back in the same moment is looked for again.

        Raises:
            StoreError: Redis cannot be reached or refuses; it is safe to try again.
        """
        return await Canceller(self.store, str(jid)).cancel()

    def on(self, event: Event) -> Callable[[H], H]:
        """Return a decorator that has a function, plain or async and without parameters, called at `event`.

        Raises:
            ConfigurationError: there is no such event.
        """

        def register(handler: H) -> H:
            return self.hooks.register(event, handler)

        return register

    def error_handler(self, handler: H) -> H:
        """Call `handler(exception, context)` whenever something fails; usable as a decorator."""
        return self.hooks.add_error_handler(handler)

    def death_handler(self, handler: H) -> H:
        """Call `handler(payload, exception)` whenever a job dies; usable as a decorator."""
        return self.hooks.add_death_handler(handler)

    def use(self, feature: Any) -> None:
        """Let a feature install its middleware, hooks and services: `feature.install(app)` or `feature(app)`.

        Raises:
            ConfigurationError: it is neither.
        """
        install = getattr(feature, "install", feature)
        if not callable(install):
            raise ConfigurationError(f"{feature!r} is no feature: it has no install(app) and cannot be called")
        install(self)

    def gauge(self, name: str, measure: Measure, description: str = "") -> None:
        """Let monitors read a measure of your own, such as open orders: see `features.prometheus`.

        Args:
            name: letters, digits and underscores, as Prometheus wants it.
            measure: a function, plain or async and without parameters, that returns a number; it is called whenever
                somebody asks. One that fails or takes longer than two seconds is left out, and error handlers are told.
            description: one sentence.

        Raises:
            ConfigurationError: the name or the function cannot work.
        """
        self.gauges.add(name, measure, description)

    def worker(self, **settings: Unpack[Settings]) -> "Worker":
        """Return a worker of this application, not started.

        Args:
            settings: what differs from `config`, such as `concurrency`, `queues`, `capsules` or `timeout`.

        Raises:
            ConfigurationError: a setting is unknown or cannot work, or two capsules would serve one queue.
        """
        # The only late import: users hold the app, and it must not load the engine in a web process.
        from sidelong.worker.worker import Worker

        config = replace(self.config, **_known(settings))
        return Worker(
            config=config,
            store=self.store.configured(config),
            registry=self.registry,
            client=self.client,
            hooks=self.hooks,
            server_chain=self.server_middleware,
            services=tuple(self.services),
            executions=self.executions,
        )

    def lifespan(self, worker: bool | Settings = False, inner: Lifespan | None = None) -> Lifespan:
        """Return an ASGI lifespan that opens and closes this application with the host.

        Args:
            worker: True to run a worker inside the host, or what to give to `worker()`.
            inner: the host's own lifespan; it is entered before the worker, whose jobs may need it.
        """

        @asynccontextmanager
        async def lifespan(host: Any) -> AsyncIterator[Any]:
            settings = worker if isinstance(worker, Mapping) else Settings()
            async with self, inner(host) if inner is not None else nullcontext() as state:
                if worker is False:
                    yield state
                else:
                    async with self.worker(**settings):
                        yield state

        return lifespan

    async def close(self) -> None:
        """Give all connections of the running event loop back; using the application again opens new ones."""
        await self.store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<Sidelong with {counted(len(self.registry), 'job')}>"

    def _find(self, target: object) -> Job[..., Any] | None:
        if isinstance(target, str):
            return self.registry.get(target) if target in self.registry else None
        if isinstance(target, type) and issubclass(target, JobClass):
            return job_of(target)
        return target if isinstance(target, Job) else None

    def _register_function(
        self,
        function: Callable[..., Any],
        name: str | None,
        aliases: Sequence[str],
        options: Mapping[str, Any],
    ) -> Job[..., Any]:
        check_function(function)
        job = Job(
            name=checked_name(name or wire_name(function)),
            aliases=checked_aliases(aliases),
            function=function,
            options=JobOptions.merge(self.config.default_job_options, options),
            client=self.client,
            server_chain=self.server_middleware,
        )
        self.registry.register(job)
        return job

    def _register_class(
        self, cls: type[Any], name: str | None, aliases: Sequence[str], options: Mapping[str, Any]
    ) -> type[Any]:
        check_class(cls)
        job: Job[..., Any] = Job(
            name=checked_name(name or wire_name(cls)),
            aliases=checked_aliases(aliases),
            function=cls.perform,
            options=JobOptions.merge(self.config.default_job_options, *inherited_layers(cls), options),
            client=self.client,
            server_chain=self.server_middleware,
            create=cls,
        )
        self.registry.register(job)
        attach(cls, job, options)
        return cls


def _known(settings: Mapping[str, Any]) -> dict[str, Any]:
    for name in settings:
        if name not in Settings.__annotations__:
            raise ConfigurationError(f"there is no setting {name!r}{did_you_mean(name, Settings.__annotations__)}")
    return dict(settings)
