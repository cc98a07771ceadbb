"""Hostile payloads as hypothesis draws them, and how many of them a run gets."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.integration.hostile_payloads import payloads

T = TypeVar("T")

COUNT = int(os.environ.get("SIDELONG_HOSTILE_PAYLOADS", "2000"))
"""How many payloads each test gets; `SIDELONG_HOSTILE_PAYLOADS=100000` for a thorough run."""
_EXAMPLES = 20
_PER_EXAMPLE = 60
_JOBS = 4


class _Bytes:
    """Decides by bytes that hypothesis has drawn, one draw for each payload; by zeros once they are used up."""

    def __init__(self, drawn: bytes) -> None:
        self._left = memoryview(drawn)

    def randrange(self, stop: int) -> int:
        return int.from_bytes(self.randbytes(2), "big") % stop

    def choice(self, options: Sequence[T]) -> T:
        return options[self.randrange(len(options))]

    def randbytes(self, count: int) -> bytes:
        taken, self._left = bytes(self._left[:count]), self._left[count:]
        return taken.ljust(count, b"\0")


_ENOUGH = 64
_samples = st.binary(min_size=_ENOUGH, max_size=_ENOUGH).map(lambda drawn: payloads.sample(_Bytes(drawn)))

_texts = st.text(max_size=8)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def _jobs(draw: Callable[[st.SearchStrategy[Any]], Any]) -> bytes:
    """Jobs with fields of any value; lone surrogates, NaN and infinities are among them."""
    item = {"class": draw(st.sampled_from(payloads.CLASSES)), "args": [], "jid": draw(_texts)}
    item |= draw(st.dictionaries(st.sampled_from(tuple(payloads.FIELDS)) | _texts, _values, max_size=3))
    text = payloads.written(item)
    return text.encode("utf-8", "surrogatepass")


_batches = st.builds(
    list.__add__,
    st.lists(_samples, min_size=_PER_EXAMPLE - _JOBS, max_size=_PER_EXAMPLE - _JOBS),
    st.lists(_jobs(), min_size=_JOBS, max_size=_JOBS),
)


def generate() -> list[bytes]:
    """Return `COUNT` different payloads, the same ones each time.

    They leave hypothesis before anything is done with them: thousands go through a worker at once, and shrinking
    a list of sixty takes minutes where the one that fails is small as it is.
    """
    found: dict[bytes, None] = {}
    for number in count():
        found.update(dict.fromkeys(_drawn(number)))
        if len(found) >= COUNT:
            return list(found)[:COUNT]
    raise AssertionError


def _drawn(number: int) -> list[bytes]:
    """Return the payloads of one run of hypothesis, which takes the longer for each the more there are."""
    found: list[bytes] = []

    @seed(number)
    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        database=None,
    )
    @given(_batches)
    def collect(drawn: list[bytes]) -> None:
        found.extend(drawn)

    collect()
    return found


@contextmanager
def naming(raw: bytes) -> Iterator[None]:
    """Let what fails in the block tell which payload it was."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"the payload: {raw[:2000]!r}, {len(raw)} bytes in all")
        raise
