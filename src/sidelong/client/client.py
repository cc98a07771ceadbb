"""Push jobs: make the payload complete, run the client middleware, hand it to the store."""

import copy
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, Final, Protocol

from sidelong.client.bulk import slice_size, slices, telling_what_is_stored, with_times
from sidelong.client.stencil import Stencil
from sidelong.client.validation import Enqueueable, Spoilt, check_due, check_middleware_result, fault_of, normalise
from sidelong.core.clock import Clock, SystemClock
from sidelong.core.config import Config
from sidelong.core.identity import new_jid
from sidelong.core.middleware import Chain, compose
from sidelong.core.options import has_containers, options_payload
from sidelong.core.promotion import promoting
from sidelong.core.serialization import dump_arguments, dump_payload, loads
from sidelong.errors import ArgumentError, InvalidPayloadError, PayloadTooLargeError
from sidelong.store.pusher import Push

logger = logging.getLogger("sidelong")

_MOST_WARNINGS: Final = 1000

Slice = list[dict[str, Any]] | tuple[Push, ...]
"""Payloads of a bulk push that are yet to be written, or written ones."""


class Destination(Protocol):
    """Where pushes go: a `Pusher`, or a block of a test."""

    async def push(self, pushes: Sequence[Push], /) -> None:
        """Take jobs; when this returns, they are stored."""


class Client:
    """Pushes jobs to Redis; the verbs of `Job` end here.

    Args:
        config: default job options and payload limits.
        chain: the client middleware.
        pusher: returns what stores the jobs; called at each push, so that a closed store can be opened again.
        close: gives the connections of the running event loop back.
        clock: tells the time.
        random: spreads bulk pushes.

    Attributes:
        config: default job options and payload limits.
        clock: tells the time.
        pusher: returns what stores the jobs. A test may put something else in its place, as in that of the clock.
    """

    def __init__(
        self,
        config: Config,
        chain: Chain,
        pusher: Callable[[], Destination],
        *,
        close: Callable[[], Awaitable[None]],
        clock: Clock | None = None,
        random: Random | None = None,
    ) -> None:
        self.config = config
        self.clock: Clock = clock or SystemClock()
        self.pusher = pusher
        self.random = random or Random()
        self._chain = chain
        self._close = close
        # Classes already warned of; callers may push any number of names, so it is capped.
        self._warned: set[str] = set()

    async def push(self, item: Mapping[str, Any]) -> str | None:
        """Push one job as Sidekiq's `Client.push` does.

        Args:
            item: `class` (a wire name or a registered job) and `args`; also `queue`, `jid`, `at` (epoch
                seconds), and any option or key of your own.

        Returns:
            The job's id, or None if a client middleware stopped it.

        Raises:
            TypeError: a field has the wrong type, or an argument cannot travel as JSON.
            ValueError: a field is missing or impossible, or the payload is too large.
            NotEnqueued: nothing was stored; pushing again is safe.
            EnqueueUncertain: Redis did not answer; the job may have been stored.
        """
        return await self.submit(normalise(item, self.config.default_job_options, self.clock.now()))

    async def push_bulk(
        self, items: Mapping[str, Any], *, batch_size: int | None = None, spread: float | None = None
    ) -> list[str | None]:
        """Push many jobs of one class as Sidekiq's `Client.push_bulk` does.

        Args:
            items: as in `push`, but `args` is an iterable of argument lists, and `at` may be a list of times,
                one for each job. `spread_interval` is another name of `spread`.
            batch_size: how many go to Redis at once; by default 1000, or 100 where they are scheduled.
            spread: seconds over which to spread them at random.

        Returns:
            The ids in the order of the arguments; None where a client middleware stopped a job.

        Raises:
            TypeError: a field has the wrong type, or an argument cannot travel as JSON; the element is named.
            ValueError: a field is missing or impossible, or a payload is too large.
            PushError: as in `push`; its `enqueued` lists the jobs stored before.
        """
        return await self.submit_many(self.cut_bulk(items, batch_size=batch_size, spread=spread))

    def cut_bulk(self, items: Mapping[str, Any], *, batch_size: int | None, spread: float | None) -> Iterator[Slice]:
        """Return the payloads of a bulk push, slice by slice; see `push_bulk`."""
        if not isinstance(items, Mapping):
            raise TypeError(f"a job must be a dict with 'class' and 'args', not {type(items).__name__}")
        common = dict(items)
        at, spread = common.pop("at", None), common.pop("spread_interval", spread)
        arguments = common.pop("args", None)
        if isinstance(arguments, str | bytes | Mapping) or not isinstance(arguments, Iterable):
            raise TypeError("bulk 'args' must be an iterable of argument lists, as in [[1], [2]]")
        if "jid" in common and not (isinstance(arguments, Sequence) and len(arguments) <= 1):
            raise InvalidPayloadError("an explicit 'jid' works only with one job")
        template = normalise({**common, "args": []}, self.config.default_job_options, self.clock.now())
        # The keys keep their places; each job gets an id and a time of its own.
        template |= {"jid": common.get("jid"), "created_at": common.get("created_at")}
        return self.cut(template, arguments, batch_size=batch_size, at=at, spread=spread)

    async def enqueue(self, target: str | Enqueueable, *args: Any, **options: Any) -> str | None:
        """Push a job by its wire name, with any options, and `at` or `jid` if need be; see `push`."""
        fields: dict[str, Any] = {name: options.pop(name) for name in ("at", "jid") if name in options}
        return await self.push({**options_payload(options), "class": target, "args": list(args), **fields})

    async def submit(self, item: dict[str, Any], *, is_plain: bool = False) -> str | None:
        """Push a payload that is complete; see `push`.

        Args:
            item: the payload.
            is_plain: whether all but its arguments is known to be what JSON carries.
        """
        prepared: dict[str, Any] | None = item
        if self._chain:
            # Middleware may put anything anywhere.
            prepared, is_plain = await self.prepare(item), False
        if prepared is None:
            return None
        push = self._seal(prepared, is_plain=is_plain)
        await self.pusher().push((push,))
        return push.jid

    async def submit_many(self, chunks: Iterable[Slice], *, is_plain: bool = False) -> list[str | None]:
        """Push slices of complete payloads, each in one trip to Redis; see `push_bulk` and `submit`."""
        jids: list[str | None] = []
        with telling_what_is_stored(jids):
            for chunk in chunks:
                jids.extend(await self.submit_slice(chunk, first=len(jids), is_plain=is_plain))
        return jids

    async def submit_slice(self, items: Slice, *, first: int, is_plain: bool = False) -> list[str | None]:
        """Push some of the payloads of a bulk push, of which `first` went before; see `push_bulk`."""
        if isinstance(items, tuple):
            await self.pusher().push(items)
            return [push.jid for push in items]
        prepared: Sequence[dict[str, Any] | None] = items
        if self._chain:
            prepared, is_plain = [await self.prepare(item) for item in items], False
        pushes: list[Push | None] = []
        try:
            for item in prepared:
                pushes.append(None if item is None else self._seal(item, is_plain=is_plain))
        except (ArgumentError, PayloadTooLargeError) as error:
            raise type(error)(f"element {first + len(pushes)}: {error}") from None
        if alive := [push for push in pushes if push is not None]:
            await self.pusher().push(alive)
        return [None if push is None else push.jid for push in pushes]

    def cut(
        self,
        template: dict[str, Any],
        arguments: Iterable[Any],
        *,
        batch_size: int | None,
        at: Any,
        spread: float | None,
        stencil: Stencil | None = None,
    ) -> Iterator[Slice]:
        """Return a payload for each element of `arguments`, in slices; see `push_bulk`.

        Args:
            template: what each is a copy of.
            arguments: lists of positional arguments.
            batch_size: how many go to Redis at once.
            at: when to enqueue them.
            spread: seconds over which to spread them.
            stencil: writes the same payloads, where nobody wants to see them before: enqueued at once, no middleware.
        """
        now = self.clock.now()
        timed = with_times(arguments, at, spread, now=now, random=self.random)
        is_scheduled = at is not None or spread is not None
        size = slice_size(batch_size, is_scheduled=is_scheduled)
        if stencil is not None and not is_scheduled:
            return self._filled_in(template, stencil, slices(arguments, size), now)
        return slices(self._copies(template, timed, now), size)

    async def close(self) -> None:
        """Give the connections of the running event loop back."""
        await self._close()

    @property
    def patience(self) -> float:
        """Seconds that one push may take at most: to connect, and to be answered."""
        return self.config.connect_timeout + self.config.answer_timeout

    @property
    def has_middleware(self) -> bool:
        """True if a push runs code of others."""
        return bool(self._chain)

    async def prepare(self, item: dict[str, Any]) -> dict[str, Any] | None:
        """Run the client middleware and return the payload to push, or None if one stopped it."""
        if not self._chain:
            return item
        passed = await self._passed(item)
        if passed is not None:
            check_middleware_result(passed)
        return passed

    async def promote(self, item: dict[str, Any]) -> dict[str, Any] | Spoilt | None:
        """Return the payload of a due job as it enters its queue, or None if a middleware stopped it.

        Client middleware runs again here, as in Sidekiq; what it raises is raised. A payload that a push would
        refuse but another program has stored goes on unchecked: the worker that runs it says what is wrong.
        """
        if not self._chain:
            return self._entering(item)
        # Before the middleware, which may change the payload in its place.
        was_good = fault_of(item) is None
        with promoting(item):
            passed = await self._passed(item)
        if passed is None:
            return None
        fault = fault_of(passed)
        if fault is not None and (was_good or not isinstance(passed, Mapping)):
            return Spoilt(fault)
        return self._entering(passed)

    async def rehearse(self, item: dict[str, Any]) -> dict[str, Any] | None:
        """Return the payload as a worker would read it, pushing nothing; None if a middleware stopped it."""
        prepared = await self.prepare(item)
        if prepared is None:
            return None
        payload: dict[str, Any] = loads(self._seal(prepared).raw)
        return payload

    async def _passed(self, item: dict[str, Any]) -> dict[str, Any] | None:
        """Return what the client middleware lets through, None if one stopped it."""
        passed: list[dict[str, Any]] = []

        async def arrive(job: dict[str, Any]) -> dict[str, Any]:
            # Not calling on is what stops a push; a middleware that forgets to return the job loses nothing.
            passed[:] = [job]
            return job

        await compose(self._chain, arrive)(item)
        return passed[0] if passed else None

    def _entering(self, item: Mapping[str, Any]) -> dict[str, Any]:
        entering = {key: value for key, value in item.items() if key != "at"}
        entering["enqueued_at"] = self.clock.now()
        return entering

    def _copies(
        self, template: dict[str, Any], timed: Iterator[tuple[Any, float | None]], now: float
    ) -> Iterator[dict[str, Any]]:
        jid, created_at = template["jid"], template["created_at"]
        template = {**template, "args": None}
        is_flat = not has_containers(template)
        for index, (args, at) in enumerate(timed):
            if not isinstance(args, list | tuple):
                raise TypeError(
                    f"element {index}: each job of a bulk push must be a list or tuple of arguments, as in [[1], [2]],"
                    f" not {type(args).__name__}"
                )
            # A middleware that adds a tag to one job must not add it to all.
            item = template.copy() if is_flat else copy.deepcopy(template)
            item["args"] = list(args)
            item["jid"] = jid or new_jid()
            item["created_at"] = created_at or self.clock.now()
            if at is not None and at > now:
                item["at"] = at
            yield item

    def _filled_in(
        self, template: dict[str, Any], stencil: Stencil, chunks: Iterator[list[list[Any]]], now: float
    ) -> Iterator[Slice]:
        first = 0
        for chunk in chunks:
            # Asked for each slice: a lazy iterable may take long, and middleware come meanwhile.
            if self._chain:
                yield list(self._copies(template, ((args, None) for args in chunk), now))
            else:
                yield self._written(stencil, chunk, first)
            first += len(chunk)

    def _written(self, stencil: Stencil, chunk: list[list[Any]], first: int) -> tuple[Push, ...]:
        written: list[bytes] = []
        try:
            for args in chunk:
                raw, is_large = dump_arguments(args)
                if is_large:
                    self._warn_of_large_integer(stencil.name)
                written.append(raw)
        except ArgumentError as error:
            raise ArgumentError(f"element {first + len(written)}: {error}") from None
        pushes, most = stencil.pushes(written, self.clock.now()), self.config.payload_warn
        for index, push in enumerate(pushes, first):
            if len(push.raw) > most:
                self._refuse_or_warn(push, stencil.name, element=index)
        return tuple(pushes)

    def _seal(self, item: dict[str, Any], *, is_plain: bool = False) -> Push:
        """Decide between queue and schedule, check what may travel, and write the bytes."""
        now = self.clock.now()
        if "at" in item:
            check_due(item, now)
        at: float | None = item.pop("at", None)
        if at is None:
            item["enqueued_at"] = now
        else:
            item.pop("enqueued_at", None)
        raw, is_large = dump_payload(item, is_plain=is_plain)
        push = Push(item["jid"], item["queue"], raw, at)
        if len(raw) > self.config.payload_warn:
            self._refuse_or_warn(push, item["class"])
        if is_large:
            self._warn_of_large_integer(item["class"])
        return push

    def _refuse_or_warn(self, push: Push, name: str, element: int | None = None) -> None:
        size, place = len(push.raw), "" if element is None else f"element {element}: "
        if size > self.config.payload_limit:
            raise PayloadTooLargeError(
                f"{place}the payload of {name} has {size:,} bytes, more than payload_limit "
                f"({self.config.payload_limit:,}); store the data elsewhere and pass its key"
            )
        logger.warning(
            "The payload of %s %s has %s bytes; store the data elsewhere and pass its key", name, push.jid, f"{size:,}"
        )

    def _warn_of_large_integer(self, name: str) -> None:
        if name in self._warned or len(self._warned) >= _MOST_WARNINGS:
            return
        self._warned.add(name)
        logger.warning(
            "%s got an integer beyond 2**53, which programs in other languages may round; send a string",
            name,
        )
