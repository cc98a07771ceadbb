"""Measures of the user's own, which monitors read beside those of the product."""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sidelong.errors import ConfigurationError

Measure = Callable[[], float | Awaitable[float]]
"""Returns a number; may be a coroutine function."""

_OURS: Final = "sidelong_"
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Gauge:
    """One measure.

    Attributes:
        name: as monitors call it.
        measure: returns its value.
        description: one sentence.
    """

    name: str
    measure: Measure
    description: str


class Gauges:
    """The measures of one application, by name."""

    def __init__(self) -> None:
        self._gauges: dict[str, Gauge] = {}

    def add(self, name: str, measure: Measure, description: str = "") -> None:
        """Add a measure; one of the same name takes its place.

        Raises:
            ConfigurationError: the name or the function cannot work.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ConfigurationError(f"a gauge's name must be letters, digits and underscores, not {name!r}")
        if name.startswith(_OURS):
            raise ConfigurationError(f"gauge {name} must not begin with {_OURS}: those are the product's own")
        if not callable(measure):
            raise ConfigurationError(f"gauge {name} needs a function that returns a number, not {measure!r}")
        self._gauges[name] = Gauge(name, measure, description or name)

    async def read(self, within: float) -> tuple[dict[str, float], Mapping[str, BaseException]]:
        """Return all values by name, and what those raised that have none.

        Args:
            within: seconds that all of them have.
        """
        gauges = tuple(self)
        tasks = [asyncio.create_task(_value(gauge.measure)) for gauge in gauges]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=within)
            for task in late:
                task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        values: dict[str, float] = {}
        faults: dict[str, BaseException] = {}
        for gauge, answer in zip(gauges, answers, strict=True):
            if isinstance(answer, asyncio.CancelledError):
                faults[gauge.name] = TimeoutError(f"gauge {gauge.name} took longer than {within:g} s")
            elif isinstance(answer, BaseException):
                faults[gauge.name] = answer
            else:
                values[gauge.name] = answer
        return values, faults

    def __iter__(self) -> Iterator[Gauge]:
        return iter(tuple(self._gauges.values()))


async def _value(measure: Measure) -> float:
    answer = measure()
    return float(await answer if inspect.isawaitable(answer) else answer)
