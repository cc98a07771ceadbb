"""Push jobs: make the payload complete, run the client middleware, hand it to the store."""

import copy
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, Final

from sidelong.client.bulk import slice_size, slices, telling_what_is_stored, with_times
from sidelong.client.validation import Enqueueable, Spoilt, check_due, check_middleware_result, fault_of, normalise
from sidelong.core.clock import Clock, SystemClock
from sidelong.core.config import Config
from sidelong.core.identity import new_jid
from sidelong.core.middleware import Chain, compose
from sidelong.core.options import has_containers, options_payload
from sidelong.core.serialization import check_arguments, dumps, loads
from sidelong.errors import ArgumentError, InvalidPayloadError, PayloadTooLargeError
from sidelong.store.pusher import Push

if TYPE_CHECKING:
    from sidelong.store.pusher import Pusher

logger = logging.getLogger("sidelong")

# What a double holds exactly: Lua, browsers and many languages read no larger integer unchanged.
_SAFE_INTEGER: Final = 2**53
_MOST_WARNINGS: Final = 1000


class Client:
    """Pushes jobs to Redis; the verbs of `Job` end here.

    Args:
        config: default job options and payload limits.
        chain: the client middleware.
        pusher: returns what stores the jobs; called at each push, so that a closed store can be opened again.
        close: gives the connections of the running event loop back.
        clock: tells the time.
        random: spreads bulk pushes.
    """

    def __init__(
        self,
        config: Config,
        chain: Chain,
        pusher: "Callable[[], Pusher]",
        *,
        close: Callable[[], Awaitable[None]],
        clock: Clock | None = None,
        random: Random | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.random = random or Random()
        self._config = config
        self._chain = chain
        self._pusher = pusher
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
        return await self.submit(normalise(item, self._config.default_job_options, self.clock.now()))

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

    def cut_bulk(
        self, items: Mapping[str, Any], *, batch_size: int | None, spread: float | None
    ) -> Iterator[list[dict[str, Any]]]:
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
        template = normalise({**common, "args": []}, self._config.default_job_options, self.clock.now())
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
        await self._pusher().push((push,))
        return push.jid

    async def submit_many(self, chunks: Iterable[list[dict[str, Any]]], *, is_plain: bool = False) -> list[str | None]:
        """Push slices of complete payloads, each in one trip to Redis; see `push_bulk` and `submit`."""
        jids: list[str | None] = []
        with telling_what_is_stored(jids):
            for chunk in chunks:
                jids.extend(await self.submit_slice(chunk, first=len(jids), is_plain=is_plain))
        return jids

    async def submit_slice(
        self, items: list[dict[str, Any]], *, first: int, is_plain: bool = False
    ) -> list[str | None]:
        """Push some of the payloads of a bulk push, of which `first` went before; see `push_bulk`."""
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
            await self._pusher().push(alive)
        return [None if push is None else push.jid for push in pushes]

    def cut(
        self,
        template: dict[str, Any],
        arguments: Iterable[Any],
        *,
        batch_size: int | None,
        at: Any,
        spread: float | None,
    ) -> Iterator[list[dict[str, Any]]]:
        """Return a copy of `template` for each element of `arguments`, in slices; see `push_bulk`."""
        now = self.clock.now()
        timed = with_times(arguments, at, spread, now=now, random=self.random)
        size = slice_size(batch_size, is_scheduled=at is not None or spread is not None)
        return slices(self._copies(template, timed, now), size)

    async def close(self) -> None:
        """Give the connections of the running event loop back."""
        await self._close()

    @property
    def patience(self) -> float:
        """Seconds that one push may take at most: to connect, and to be answered."""
        return self._config.connect_timeout + self._config.answer_timeout

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
        args = item["args"]
        try:
            raw = dumps(item, doubtful=args if is_plain else None)
        except InvalidPayloadError:
            # Bad arguments are by far the likeliest cause, and have an error of their own.
            check_arguments(args)
            raise
        if len(raw) > self._config.payload_warn:
            self._refuse_or_warn(item, len(raw))
        if _has_large_integer(args):
            self._warn_of_large_integer(item["class"])
        return Push(item["jid"], item["queue"], raw, at)

    def _refuse_or_warn(self, item: Mapping[str, Any], size: int) -> None:
        if size > self._config.payload_limit:
            raise PayloadTooLargeError(
                f"the payload of {item['class']} has {size:,} bytes, more than payload_limit "
                f"({self._config.payload_limit:,}); store the data elsewhere and pass its key"
            )
        logger.warning(
            "The payload of %s %s has %s bytes; store the data elsewhere and pass its key",
            item["class"],
            item["jid"],
            f"{size:,}",
        )

    def _warn_of_large_integer(self, name: str) -> None:
        if name in self._warned or len(self._warned) >= _MOST_WARNINGS:
            return
        self._warned.add(name)
        logger.warning(
            "%s got an integer beyond 2**53, which programs in other languages may round; send a string",
            name,
        )


def _has_large_integer(values: Iterable[Any]) -> bool:
    for value in values:
        kind = type(value)
        if kind is int:
            if not -_SAFE_INTEGER <= value <= _SAFE_INTEGER:
                return True
        elif kind is list:
            if _has_large_integer(value):
                return True
        elif kind is dict and _has_large_integer(value.values()):
            return True
    return False
