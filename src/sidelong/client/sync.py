"""The verbs for threads without an event loop: `job.sync`, `app.sync`.

They run the very coroutines of the other verbs, on an event loop in another thread, and wait. What can be given
lazily is read in the caller's own thread, where it may block.
"""

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from sidelong.client.bulk import telling_what_is_stored
from sidelong.client.calls import PUSHING, STEERING, Purpose, call, give_back, refuse_on_event_loop
from sidelong.client.cancelling import CancelResult
from sidelong.client.client import Client, Slice
from sidelong.client.job_ref import JobRef
from sidelong.client.validation import Enqueueable

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")


class SyncClient:
    """`app.client` for threads without an event loop.

    Args:
        client: does the work.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def push(self, item: Mapping[str, Any]) -> str | None:
        """Push one job; see `Client.push`, and `SyncJob` for where it runs."""
        return self.wait(partial(self._client.push, item))

    def push_bulk(
        self, items: Mapping[str, Any], *, batch_size: int | None = None, spread: float | None = None
    ) -> list[str | None]:
        """Push many jobs of one class; see `Client.push_bulk`, and `SyncJob` for where it runs."""
        return self.submit_many(self._client.cut_bulk(items, batch_size=batch_size, spread=spread))

    def submit_many(self, chunks: Iterable[Slice]) -> list[str | None]:
        """Push slices of complete payloads; see `Client.submit_many`."""
        refuse_on_event_loop()
        jids: list[str | None] = []
        with telling_what_is_stored(jids):
            for chunk in chunks:
                jids.extend(self.wait(partial(self._client.submit_slice, chunk, first=len(jids))))
        return jids

    def wait(self, make: Callable[[], Coroutine[Any, Any, T]], purpose: Purpose = PUSHING) -> T:
        """Run a coroutine on an event loop, and return what it returns; see `call`."""
        return call(make, close=self._client.close, patience=self._client.patience, purpose=purpose)

    def close(self) -> None:
        """Give back the connections that the background event loop holds for this client."""
        give_back(self._client.close, patience=self._client.patience)


class Verbs(Protocol[P]):
    """What a `SyncJob` needs of a `Job`, whose module imports this one."""

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, JobRef | None]:
        """Enqueue the job."""
        ...

    def enqueue_in(
        self, delay: float | timedelta, /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, JobRef | None]:
        """Enqueue the job once `delay` has passed."""
        ...

    def enqueue_at(
        self, when: float | datetime, /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, JobRef | None]:
        """Enqueue the job at an instant."""
        ...

    def cut(
        self,
        arguments: Iterable[Sequence[Any]],
        *,
        batch_size: int | None,
        at: float | datetime | Sequence[float | datetime] | None,
        spread: float | None,
    ) -> Iterator[Slice]:
        """Return the payloads of a bulk push, in slices."""
        ...

    def with_options(self, **options: Any) -> "Verbs[P]":
        """Return the job with other options."""
        ...


class SyncJob(Generic[P]):
    """The verbs of a job for threads without an event loop: `job.sync`.

    A push runs the client middleware and the checks that awaiting it would run, in a copy of the caller's context.
    In a thread that works for a job (a `def` job, `asyncio.to_thread`) it runs on the worker's event loop; anywhere
    else, on a background loop of this process, which starts with the first push and ends with the program.

    Every verb raises what its twin on `Job` raises, and `RuntimeError` in a thread that runs an event loop, which it
    would block. If the loop cannot even begin within `connect_timeout` and `answer_timeout` together, it is
    `NotEnqueued`; if the loop ends first, `EnqueueUncertain`. An exception of a signal handler, such as
    `KeyboardInterrupt`, ends the wait but not a push that has begun: a note on it says which.

    Args:
        job: what is enqueued.
        client: pushes its payloads.
    """

    def __init__(self, job: Verbs[P], client: SyncClient) -> None:
        self._job = job
        self._client = client

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> JobRef | None:
        """Enqueue the job with these arguments; see `Job.enqueue`."""
        return self._client.wait(partial(self._job.enqueue, *args, **kwargs))

    def enqueue_in(self, delay: float | timedelta, /, *args: P.args, **kwargs: P.kwargs) -> JobRef | None:
        """Enqueue the job once `delay` (seconds or a timedelta) has passed; see `Job.enqueue_in`."""
        return self._client.wait(partial(self._job.enqueue_in, delay, *args, **kwargs))

    def enqueue_at(self, when: float | datetime, /, *args: P.args, **kwargs: P.kwargs) -> JobRef | None:
        """Enqueue the job at an instant: an aware datetime or epoch seconds; see `Job.enqueue_at`."""
        return self._client.wait(partial(self._job.enqueue_at, when, *args, **kwargs))

    def enqueue_many(
        self,
        arguments: Iterable[Sequence[Any]],
        *,
        batch_size: int | None = None,
        at: float | datetime | Sequence[float | datetime] | None = None,
        spread: float | None = None,
    ) -> list[JobRef | None]:
        """Enqueue the job once for each element, which are read in this thread; see `Job.enqueue_many`."""
        refuse_on_event_loop()
        jids = self._client.submit_many(self._job.cut(arguments, batch_size=batch_size, at=at, spread=spread))
        return [None if jid is None else JobRef(jid) for jid in jids]

    @overload
    def with_options(self) -> "SyncJob[P]": ...
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
    ) -> "SyncJob[P]": ...
    def with_options(self, **options: Any) -> "SyncJob[P]":
        """Return these verbs with other options; see `Job.with_options`."""
        return SyncJob(self._job.with_options(**options), self._client)


class SyncApp:
    """The verbs of an application for threads without an event loop: `app.sync`; see `SyncJob` for where they run.

    Args:
        client: pushes payloads.
        enqueue: `Sidelong.enqueue`.
        cancel: `Sidelong.cancel`.

    Attributes:
        client: `app.client` for threads without an event loop.
    """

    def __init__(
        self,
        client: SyncClient,
        *,
        enqueue: Callable[..., Coroutine[Any, Any, JobRef | None]],
        cancel: Callable[[str | JobRef], Coroutine[Any, Any, CancelResult]],
    ) -> None:
        self.client = client
        self._enqueue = enqueue
        self._cancel = cancel

    def enqueue(self, target: str | Enqueueable, *args: Any, **options: Any) -> JobRef | None:
        """Enqueue a job by its wire name, also for workers in other languages; see `Sidelong.enqueue`."""
        return self.client.wait(partial(self._enqueue, target, *args, **options))

    def cancel(self, jid: str | JobRef) -> CancelResult:
        """Call a job off, whether it waits or runs; see `Sidelong.cancel`.

        Raises:
            StoreError: as `Sidelong.cancel`; `Unavailable` if the event loop did not begin, `ReplyLost` if it ended
                first. It is safe to try again.
        """
        return self.client.wait(partial(self._cancel, jid), STEERING)

    def run(self, function: Callable[Q, Coroutine[Any, Any, T]], /, *args: Q.args, **kwargs: Q.kwargs) -> T:
        """Await any other call, such as those of `sidelong.api`, and return what it returns.

        `app.sync.run(Queue(app).size)`; what is iterated over is put into an `async def` function first. It runs where
        pushes do, and lets the exceptions of the function through.

        Args:
            function: returns what is to be awaited.
            args: its arguments.
            kwargs: those that it takes by name.

        Raises:
            Unavailable: the event loop did not begin.
            ReplyLost: it ended first, so that nobody knows what was done.
            Exception: what the function raises.
        """
        return self.client.wait(partial(function, *args, **kwargs), STEERING)

    def close(self) -> None:
        """Give back the connections that the background event loop holds for this application.

        There is no need to: it does so at the end of the program. The next push opens new ones.
        """
        self.client.close()
