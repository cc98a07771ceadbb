"""Steps of a job: each is a block of code that later runs of the same job see finished, with its result.

Python cannot skip the body of a `with` statement. So the body asks; one that does not is told, and is not let in again.
"""

import inspect
import math
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import CodeType, FrameType, TracebackType
from typing import Any, Final, ParamSpec, Protocol, TypeVar

from sidelong.core.display import shown
from sidelong.core.serialization import MAX_NESTING
from sidelong.core.step_marks import Surroundings
from sidelong.core.step_names import shown_name, step_name
from sidelong.core.step_record import StepRecord
from sidelong.core.unperformed import unperformed
from sidelong.errors import ArgumentError, ConfigurationError, StepError, StoreError

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_TTL: Final = 2_592_000
"""Steps are remembered for 30 days after the last of them was touched; the retries of Sidekiq take three weeks."""
LONGEST_TTL: Final = 31_536_000
"""A year, in seconds."""


class StepKeeper(Protocol):
    """What remembers finished steps: a worker's, or that of a test."""

    async def look(self, jid: str, step: bytes, ttl: float) -> bytes | None:
        """Return what is remembered of a step, which is remembered for `ttl` seconds more; None if it has not finished.

        Raises:
            StoreError: nobody can tell.
        """
        ...

    async def record(self, jid: str, step: bytes, record: bytes, ttl: float, *, replaces: bool) -> bytes:
        """Remember that a step has finished, and return what is remembered of it: the first record stands.

        A cancellation that comes meanwhile is raised when that is done.

        Args:
            jid: of the job.
            step: its name.
            record: what is to be remembered.
            ttl: for how many seconds more.
            replaces: whether it takes the place of the first record.

        Raises:
            StoreError: it may not be remembered.
        """
        ...

    def wait(self, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run one of the two for a thread without an event loop.

        Raises:
            RuntimeError: this thread runs an event loop, which waiting would block.
        """
        ...


class _State:
    """A step as the body of its block sees it: whether it has finished, and with which result.

    Args:
        name: as messages show it.
        record: what is remembered of it; None if it has not finished.
    """

    def __init__(self, name: str, record: StepRecord | None) -> None:
        self._name = name
        self._record = record
        self._result: Any = None
        self._is_asked = False
        self._has_run = False

    @property
    def done(self) -> bool:
        """Whether the step has finished, in this run of the job or in one before: then its work is not to be done."""
        self._is_asked = True
        return self._record is not None

    @property
    def result(self) -> Any:
        """What the step is remembered with, as JSON gives it back: tuples are lists.

        To be set in the body, to what JSON carries and at most 64 KiB of it; None if it is not.

        Raises:
            StepError: the step has finished, and its result could not be kept.
        """
        self._is_asked = True
        if self._record is None:
            return self._result
        if self._record.unfit:
            raise StepError(f"step {self._name} has finished, but its result was not kept: {self._record.unfit}")
        return self._record.result

    @result.setter
    def result(self, result: Any) -> None:
        record = self._record_of(result)
        if self._record is not None:
            raise StepError(f"step {self._name} has finished, and keeps the result it has: ask `step.done` first")
        # What JSON makes of it, so that this run of the job sees what the next one would.
        self._result = result if record.unfit else record.result

    def close(self, around: Surroundings) -> StepRecord | None:
        """Return what is to be remembered now that the body has ended; None if nothing new is.

        Raises:
            StepError: the work is only prepared.
        """
        if self._record is None:
            return self._record_of(self._result, unasked="" if self._is_asked else around.mark())
        # Code that once asked, or was mended, may not ask any more.
        return None if self._is_asked else replace(self._record, unasked=around.mark())

    @property
    def had_finished(self) -> bool:
        """Whether the step had finished before its body began, or has by now."""
        return self._record is not None

    def finish(self, mine: StepRecord, stands: bytes, around: Surroundings) -> None:
        """Take what is remembered of the step.

        Args:
            mine: what was to be remembered.
            stands: what is: another run may have been faster.
            around: the code of its block.

        Raises:
            StepError: the body has not asked whether the step had finished.
            ArgumentError: its result cannot be kept.
        """
        self._record = StepRecord.read(stands)
        if mine.unasked:
            raise StepError(
                f"the body of step {self._name} has not asked whether the step had finished, and would do its work"
                f" again in the next run of the job: put it under `if not step.done:`, or call `step.run`{_at(around)}"
            )
        if self._record.unfit:
            raise ArgumentError(f"step {self._name} has finished, but its result is not kept: {self._record.unfit}")

    def _is_to_run(self) -> bool:
        """Tell whether the work of `run` is to be done."""
        if self._has_run:
            raise StepError(f"step {self._name} runs one function, and was given a second one: it is a step of its own")
        self._has_run = True
        return not self.done

    def _has_failed(self) -> None:
        """Let `run` be called again: its function has raised something."""
        self._has_run = False

    def _record_of(self, result: Any, *, unasked: str = "") -> StepRecord:
        """Return the record of a result, unless it shows that the work was not done."""
        record = StepRecord.of(result, unasked=unasked)
        if record.unfit and (what := unperformed(result, MAX_NESTING)):
            raise StepError(f"the result of step {self._name} would be {what}")
        return record

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name}{'' if self._record is None else ', finished'}>"


class Step(_State):
    """A step of an `async def` job: see `Context.once`."""

    async def run(self, function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Await `function(*args, **kwargs)` unless the step has finished, and return the result of the step.

        Args:
            function: does the work, once for each block; again only if it has raised something.
            args: its arguments.
            kwargs: those that it takes by name.

        Raises:
            StepError: the step has finished, and its result could not be kept; or this block has run a function.
            BaseException: what the function raises.
        """
        if self._is_to_run():
            try:
                outcome: Any = function(*args, **kwargs)
                self.result = await outcome if inspect.isawaitable(outcome) else outcome
            except BaseException:
                self._has_failed()
                raise
        result: T = self.result
        return result


class SyncStep(_State):
    """A step of a `def` job: see `Context.once`."""

    def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `function(*args, **kwargs)` unless the step has finished, and return the result of the step.

        See `Step.run`.
        """
        if self._is_to_run():
            try:
                self.result = function(*args, **kwargs)
            except BaseException:
                self._has_failed()
                raise
        result: T = self.result
        return result


class Once:
    """The block around a step: `async with` in an `async def` job, `with` in the thread of a `def` job.

    Args:
        keeper: remembers what has finished.
        jid: the job's id.
        parts: the name of the step.
        ttl: for how long it is remembered.
        used: the names that this run of the job has used; its own is added.
        maker: the code that has made the block.
    """

    def __init__(
        self,
        keeper: StepKeeper,
        jid: str,
        parts: Sequence[str | int],
        ttl: float | timedelta,
        used: dict[bytes, object],
        maker: CodeType,
    ) -> None:
        self._keeper = keeper
        self._jid = jid
        self._key = step_name(parts)
        self._name = shown_name(parts)
        self._ttl = _seconds(ttl)
        self._used = used
        self._maker = maker
        self._around: Surroundings
        self._step: Step | SyncStep

    async def __aenter__(self) -> Step:
        self._claim(sys._getframe().f_back)
        try:
            step = self._step = Step(self._name, self._let_in(await self._look()))
        except BaseException:
            self._release()
            raise
        return step

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if (record := self._closed(error)) is not None:
            try:
                stands = await self._record(record)
            except BaseException as fault:
                self._forget(fault)
                raise
            self._step.finish(record, stands, self._around)

    def __enter__(self) -> SyncStep:
        self._claim(sys._getframe().f_back)
        try:
            step = self._step = SyncStep(self._name, self._let_in(self._keeper.wait(self._look)))
        except BaseException:
            self._release()
            raise
        return step

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if (record := self._closed(error)) is not None:
            try:
                stands = self._keeper.wait(partial(self._record, record))
            except BaseException as fault:
                self._forget(fault)
                raise
            self._step.finish(record, stands, self._around)

    async def _look(self) -> bytes | None:
        return await self._keeper.look(self._jid, self._key, self._ttl)

    async def _record(self, record: StepRecord) -> bytes:
        return await self._keeper.record(
            self._jid, self._key, record.write(), self._ttl, replaces=self._step.had_finished
        )

    def _claim(self, frame: FrameType | None) -> None:
        """Refuse a name that this run of the job has used: one of the two would be skipped, or both run at once.

        Args:
            frame: the code that enters the block.
        """
        # Not this object, which may be entered again as well.
        entry = object()
        if self._used.setdefault(self._key, entry) is not entry:
            raise StepError(
                f"this run of the job has used the step {self._name}, and a second one of the same name would be"
                " skipped, or run at the same time: let the name tell them apart, as in once('charge', order_id)"
            )
        self._around = Surroundings.of(self._maker, frame)

    def _release(self) -> None:
        """Let the name be used again."""
        self._used.pop(self._key, None)

    def _let_in(self, stands: bytes | None) -> StepRecord | None:
        """Return what is remembered of the step, unless its body would do the work again."""
        if stands is None:
            return None
        record = StepRecord.read(stands)
        if record.unasked and record.unasked == self._around.mark():
            raise StepError(
                f"step {self._name} has finished, and its body does not ask: it would do the work again. Put it under"
                f" `if not step.done:`, or call `step.run`{_at(self._around)}; then this job can go on"
            )
        return record

    def _closed(self, error: BaseException | None) -> StepRecord | None:
        """Return what is to be remembered; None if there is nothing."""
        if error is not None:
            self._release()
            return None
        try:
            return self._step.close(self._around)
        except StepError:
            self._release()
            raise

    def _forget(self, fault: BaseException) -> None:
        """Take note that nobody knows whether the end of the step is remembered."""
        self._release()
        if isinstance(fault, StoreError):
            fault.add_note(f"step {self._name} has finished, and may not be remembered: it may run again")


def _at(around: Surroundings) -> str:
    return f", in the block at {shown(around.place)}"


def _seconds(ttl: float | timedelta) -> float:
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ConfigurationError(f"ttl must be seconds or a timedelta, not {ttl!r}")
    if not (math.isfinite(seconds) and 1 <= seconds <= LONGEST_TTL):
        raise ConfigurationError(f"ttl must be from 1 to {LONGEST_TTL:,} seconds, not {ttl!r}")
    return float(seconds)
