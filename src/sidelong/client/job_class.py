"""Jobs written as classes: a base that brings the enqueue verbs, typed by `perform`."""

import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, ParamSpec, Protocol, TypeVar, cast, overload

from sidelong.client.job import Job
from sidelong.client.job_ref import JobRef
from sidelong.client.sync import SyncJob
from sidelong.core.context import Context, current_context
from sidelong.errors import JobDefinitionError

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
T = TypeVar("T")

_JOB = "_sidelong_job"
_OPTIONS = "_sidelong_options"
_HOOKS = ("retry_in", "retries_exhausted")


class HasPerform(Protocol[P, R]):
    """Something whose `perform` says which arguments the job takes, and what it returns."""

    def perform(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Do the work."""
        ...


class _SyncVerbs:
    """Makes `sync` an attribute of the class, typed by its `perform`."""

    def __get__(self, instance: object, owner: type[HasPerform[P, Any]]) -> SyncJob[P]:
        try:
            return cast("SyncJob[P]", job_of(owner).sync)
        except JobDefinitionError as error:
            # What `hasattr` and `inspect.getmembers` understand; they ask every class, also bases.
            raise AttributeError(str(error)) from None


class JobClass:
    """Base of jobs written as classes; register them with `@app.job`, and give them a `perform` method.

    Each execution has an instance of its own, made without arguments. A base that is not registered can share
    `options`, and as methods the hooks `retry_in(count, exception, payload)` and
    `retries_exhausted(payload, exception)`; a class may override what it inherits, and options given to the
    decorator come last.
    """

    options: ClassVar[Mapping[str, Any]] = {}

    sync = _SyncVerbs()
    """The verbs for threads without an event loop; see `SyncJob`."""

    @property
    def context(self) -> Context:
        """The running execution; see `current_context`."""
        return current_context()

    @classmethod
    def enqueue(cls: type[HasPerform[P, Any]], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, JobRef | None]:
        """Enqueue the job with these arguments; see `Job.enqueue`."""
        return job_of(cls).enqueue(*args, **kwargs)

    @classmethod
    def enqueue_in(
        cls: type[HasPerform[P, Any]], delay: float | timedelta, /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, JobRef | None]:
        """Enqueue the job once `delay` (seconds or a timedelta) has passed; see `Job.enqueue_in`."""
        return job_of(cls).enqueue_in(delay, *args, **kwargs)

    @classmethod
    def enqueue_at(
        cls: type[HasPerform[P, Any]], when: float | datetime, /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, JobRef | None]:
        """Enqueue the job at an instant: an aware datetime or epoch seconds; see `Job.enqueue_at`."""
        return job_of(cls).enqueue_at(when, *args, **kwargs)

    @classmethod
    def enqueue_many(
        cls,
        arguments: Iterable[Sequence[Any]],
        *,
        batch_size: int | None = None,
        at: float | datetime | Sequence[float | datetime] | None = None,
        spread: float | None = None,
    ) -> Coroutine[Any, Any, list[JobRef | None]]:
        """Enqueue the job once for each element; see `Job.enqueue_many`."""
        return job_of(cls).enqueue_many(arguments, batch_size=batch_size, at=at, spread=spread)

    @overload
    @classmethod
    def with_options(cls: type[HasPerform[P, R]]) -> Job[P, R]: ...
    @overload
    @classmethod
    def with_options(
        cls: type[HasPerform[P, R]],
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
    ) -> Job[P, R]: ...
    @classmethod
    def with_options(cls: type[HasPerform[P, R]], **options: Any) -> Job[P, R]:
        """Return the job with other options; see `Job.with_options`."""
        return cast("Job[P, R]", job_of(cls)).with_options(**options)

    @overload
    @classmethod
    def inline(
        cls: type[HasPerform[P, Coroutine[Any, Any, T]]], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T | None]: ...
    @overload
    @classmethod
    def inline(cls: type[HasPerform[P, R]], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R | None]: ...
    @classmethod
    def inline(cls, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Run the job here and now, as a worker would; see `Job.inline`."""
        return job_of(cls).inline(*args, **kwargs)

    @classmethod
    def payload_head(cls) -> dict[str, Any]:
        """Return the options as payloads state them, then `class`."""
        return job_of(cls).payload_head()


def job_of(cls: type[Any]) -> Job[..., Any]:
    """Return the job that a class was registered as.

    Raises:
        JobDefinitionError: the class itself was not registered; one registered above it does not count.
    """
    job: Job[..., Any] | None = vars(cls).get(_JOB)
    if job is None:
        raise JobDefinitionError(f"{cls.__qualname__} is not registered: decorate it with @app.job")
    return job


def attach(cls: type[JobClass], job: Job[..., Any], options: Mapping[str, Any]) -> None:
    """Remember what `cls` was registered as, and with which options, for its verbs and its subclasses."""
    setattr(cls, _JOB, job)
    setattr(cls, _OPTIONS, dict(options))


def check_class(cls: type[Any]) -> None:
    """Refuse a class that cannot be a job.

    Raises:
        JobDefinitionError: it is no `JobClass`, has no `perform`, or cannot be made without arguments.
    """
    name = cls.__qualname__
    if not issubclass(cls, JobClass):
        raise JobDefinitionError(f"{name} must derive from JobClass to be a job")
    if not callable(getattr(cls, "perform", None)):
        raise JobDefinitionError(f"{name} needs a method `perform`, which does the work")
    try:
        inspect.signature(cls).bind()
    except TypeError as error:
        raise JobDefinitionError(
            f"{name} must be made without arguments, since each execution makes an instance: {error}"
        ) from None


def inherited_layers(cls: type[JobClass]) -> list[Mapping[str, Any]]:
    """Return the options and hooks that a class has before it is decorated, the most general first."""
    layers: list[Mapping[str, Any]] = []
    for base in reversed(cls.__mro__):
        own = vars(base)
        layers.append(own.get("options", {}))
        layers.append({name: _hook(cls, name) for name in _HOOKS if name in own})
        if base is not cls:
            layers.append(own.get(_OPTIONS, {}))
    return layers


def _hook(cls: type[JobClass], name: str) -> Callable[..., Any]:
    hook: Callable[..., Any] = getattr(cls, name)
    if isinstance(inspect.getattr_static(cls, name), staticmethod | classmethod):
        return hook

    def call(*args: Any) -> Any:
        # A method: it gets an instance of its own, as an execution does.
        return hook(cls(), *args)

    return call
