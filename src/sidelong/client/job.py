"""A job: a function that workers run, and the verbs that enqueue it."""

import copy
import functools
import inspect
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Generic, ParamSpec, TypeVar, overload

from sidelong.client.client import Client, Slice
from sidelong.client.inlining import run_inline
from sidelong.client.job_ref import JobRef
from sidelong.client.schedule import after, instant
from sidelong.client.signature import Signature
from sidelong.client.stencil import Stencil
from sidelong.client.sync import SyncClient, SyncJob
from sidelong.core.identity import new_jid
from sidelong.core.middleware import Chain
from sidelong.core.options import JobOptions, has_containers, refuse_local
from sidelong.core.serialization import is_plain
from sidelong.errors import JobDefinitionError

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
T = TypeVar("T")


class Job(Generic[P, R]):
    """A registered function or class; calling it runs it here and now, like the function itself.

    Arguments are bound to the signature where they are given, so a wrong one is a `TypeError` of the caller.

    Args:
        name: the wire name.
        function: what is called with the arguments; for a class, its unbound `perform`.
        options: complete options.
        aliases: other names that payloads may carry.
        client: pushes the payloads.
        server_chain: runs around `inline`.
        create: makes the instance whose `perform` runs, for each execution anew; None for a function.

    Attributes:
        name: the wire name: what payloads carry as `class`.
        aliases: other names that payloads may carry.
        options: complete options.
        is_async: whether an execution is awaited on the event loop; if not, it runs in a thread.
        convert: returns the arguments of a payload as the function takes them, or raises `ArgumentError`.
        client: pushes the payloads.
        server_chain: the server middleware of its application.
    """

    def __init__(
        self,
        *,
        name: str,
        function: Callable[P, R],
        options: JobOptions,
        client: Client,
        server_chain: Chain,
        aliases: Sequence[str] = (),
        create: Callable[[], Any] | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.name = name
        self.aliases = tuple(aliases)
        self.is_async = is_coroutine_function(function)
        self._function = function
        self._create = create
        self.client = client
        self.server_chain = server_chain
        is_method = create is not None and not isinstance(
            inspect.getattr_static(create, "perform", None), staticmethod | classmethod
        )
        self._signature = Signature(function, name, is_method=is_method, is_typed=options.typed)
        self.convert = self._signature.convert
        self._set_options(options)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself, with no middleware and no queue; await an `async def`."""
        result: R = self.target()(*args, **kwargs)
        return result

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> JobRef | None:
        """Enqueue the job with these arguments.

        Returns:
            The job's reference, or None if a client middleware stopped it.

        Raises:
            TypeError: the arguments do not fit the signature, or cannot travel as JSON (`ArgumentError`).
            PayloadTooLargeError: the payload is above `payload_limit`.
            NotEnqueued: nothing was stored; enqueuing again is safe.
            EnqueueUncertain: Redis did not answer; the job may have been stored.
        """
        return await self._submit(self._signature.bind(args, kwargs))

    async def enqueue_in(self, delay: float | timedelta, /, *args: P.args, **kwargs: P.kwargs) -> JobRef | None:
        """Enqueue the job once `delay` (seconds or a timedelta) has passed; see `enqueue`.

        Raises:
            ValueError: the delay is not finite, or leads beyond the year 9999.
        """
        due = after(delay, self.client.clock.now())
        return await self._submit(self._signature.bind(args, kwargs), due)

    async def enqueue_at(self, when: float | datetime, /, *args: P.args, **kwargs: P.kwargs) -> JobRef | None:
        """Enqueue the job at an instant: an aware datetime or epoch seconds; at once if it has passed.

        Raises:
            ValueError: the datetime has no time zone, or the number is not finite or beyond the year 9999.
        """
        return await self._submit(self._signature.bind(args, kwargs), instant(when))

    async def enqueue_many(
        self,
        arguments: Iterable[Sequence[Any]],
        *,
        batch_size: int | None = None,
        at: float | datetime | Sequence[float | datetime] | None = None,
        spread: float | None = None,
    ) -> list[JobRef | None]:
        """Enqueue the job once for each element, in slices that each take one trip to Redis.

        Args:
            arguments: tuples or lists of positional arguments; may be lazy.
            batch_size: how many go to Redis at once; by default 1000, or 100 where they are scheduled.
            at: when to enqueue them: one time for all, or a list with one for each.
            spread: seconds over which to spread them at random, at least 5.

        Returns:
            A list parallel to `arguments`; None where a client middleware stopped a job.

        Raises:
            TypeError: as in `enqueue`, naming the element. Slices before the faulty one are enqueued.
            ValueError: `at`, `spread` or `batch_size` cannot work.
            PushError: as in `enqueue`; `enqueued` lists the jobs stored before.
        """
        chunks = self.cut(arguments, batch_size=batch_size, at=at, spread=spread)
        return [
            None if jid is None else JobRef(jid)
            for jid in await self.client.submit_many(chunks, is_plain=self._is_plain)
        ]

    @property
    def sync(self) -> SyncJob[P]:
        """The same verbs for threads without an event loop, such as those of `def` jobs; see `SyncJob`."""
        return SyncJob(self, SyncClient(self.client))

    @overload
    def with_options(self) -> "Job[P, R]": ...
    @overload
    def with_options(
        self,
        *,
        queue: str | None = ...,
        retry: bool | int | None = ...,
        retry_for: float | timedelta | None = ...,
        retry_queue: str | None = ...,
        dead: bool | None = ...,
        backtrace: bool | int | None = ...,
        tags: list[str] | tuple[str, ...] | None = ...,
        timeout: float | timedelta | None = ...,
        log_level: str | None = ...,
        **extra: Any,
    ) -> "Job[P, R]": ...
    def with_options(self, **options: Any) -> "Job[P, R]":
        """Return this job with other options, for the pushes made through the returned object only.

        Args:
            options: as in `JobOptions`; None gives an option its default back, unknown ones travel in the payload.

        Raises:
            ConfigurationError: an option cannot work, or only the definition of a job can hold it.
        """
        refuse_local(options)
        other = copy.copy(self)
        other._set_options(self.options.override(options))
        return other

    @overload
    async def inline(self: "Job[P, Coroutine[Any, Any, T]]", *args: P.args, **kwargs: P.kwargs) -> T | None: ...
    @overload
    async def inline(self, *args: P.args, **kwargs: P.kwargs) -> R | None: ...
    async def inline(self, *args: Any, **kwargs: Any) -> Any:
        """Run the job here and now, as a worker would: both middleware chains, arguments through JSON.

        Returns:
            What the job returned; None if a middleware stopped it.

        Raises:
            Exception: whatever the job or a middleware raises; nothing is retried.
        """
        item = self._new_item(self._signature.bind(args, kwargs))
        return await run_inline(item, self.client, self.server_chain, self.target, self.convert, is_async=self.is_async)

    def bind(self, args: Sequence[Any]) -> list[Any]:
        """Return positional arguments as payloads carry them.

        Raises:
            TypeError: they do not fit the signature.
        """
        return self._signature.bind(tuple(args), {})

    def check(self, args: Sequence[Any]) -> None:
        """Refuse the arguments of a payload that would not reach the function, which is not called.

        Raises:
            TypeError: they are too few or too many, or one does not fit its annotation (`ArgumentError`).
        """
        self._signature.check_count(args)
        self.convert(list(args))

    def cut(
        self,
        arguments: Iterable[Sequence[Any]],
        *,
        batch_size: int | None,
        at: float | datetime | Sequence[float | datetime] | None,
        spread: float | None,
    ) -> Iterator[Slice]:
        """Return the payloads of a bulk push, in slices; see `enqueue_many`."""
        bound: Iterable[list[Any]] = self._signature.bind_each(arguments)
        if isinstance(arguments, Sequence):
            # All of them are at hand: a wrong one is found before the first is enqueued.
            bound = list(bound)
        return self.client.cut(
            self._template, bound, batch_size=batch_size, at=at, spread=spread, stencil=self._stencil
        )

    def target(self) -> Callable[..., Any]:
        """Return what one execution calls: the function, or `perform` of a new instance."""
        if self._create is None:
            return self._function
        perform: Callable[..., Any] = self._create().perform
        return perform

    def payload_head(self) -> dict[str, Any]:
        """Return the options as payloads state them, then `class`."""
        return {**self.options.to_payload(), "class": self.name}

    def __repr__(self) -> str:
        return f"<Job {self.name}>"

    async def _submit(self, args: list[Any], due: float | None = None) -> JobRef | None:
        item = self._new_item(args)
        if due is not None and due > item["created_at"]:
            item["at"] = due
        jid = await self.client.submit(item, is_plain=self._is_plain)
        return None if jid is None else JobRef(jid)

    def _new_item(self, args: list[Any]) -> dict[str, Any]:
        # Filling in a copy costs a third of building the payload anew.
        item = self._template.copy() if self._is_flat else copy.deepcopy(self._template)
        item["args"] = args
        item["jid"] = new_jid()
        item["created_at"] = self.client.clock.now()
        return item

    def _set_options(self, options: JobOptions) -> None:
        self.options = options
        stated = options.to_payload()
        self._stencil = Stencil(stated, self.name)
        self._template: dict[str, Any] = {
            **stated,
            "args": None,
            "class": self.name,
            "jid": None,
            "created_at": None,
        }
        self._is_flat = not has_containers(self._template)
        self._is_plain = is_plain(self._template)


def check_function(function: Any) -> None:
    """Refuse what cannot be a job.

    Raises:
        JobDefinitionError: it cannot be called, is a job already, or yields.
    """
    if isinstance(function, Job):
        raise JobDefinitionError(f"{function.name} is a job already")
    if not callable(function):
        raise JobDefinitionError(f"{function!r} cannot be a job: it cannot be called")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise JobDefinitionError(f"{function.__qualname__} cannot be a job: it yields, and nobody would iterate")


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Return whether calling `function` gives a coroutine; also for objects with an async `__call__`."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - asks what it is, not whether it is there
    )
