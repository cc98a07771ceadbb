"""One direction of a connection that goes through a proxy: in order, but late, slow or held when faults say so."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial

from tests.support.proxy_end import End
from tests.support.proxy_faults import Faults

Step = Callable[[], None]

# A slow line carries a piece at a time, so that a long reply trickles and does not come as one lump.
_PIECE_SECONDS = 0.02
_LEAST_PIECE = 64
# What may wait in one direction; whoever sends more than that is left unread, as by a full TCP window.
_MOST_WAITING = 4 * 1024 * 1024


class Flow:
    """Takes what one end has sent, and gives it to the other end.

    Args:
        faults: what is to go wrong.
        is_held: tells whether nothing may leave now.
        source: the end that sends.
        target: the end that is written to.
    """

    def __init__(self, faults: Faults, is_held: Callable[[], bool], source: End, target: End) -> None:
        self.is_stopped = False
        self._faults = faults
        self._source = source
        self._target = target
        self._late = _Line(is_held, self._weigh)
        self._slow = _Line(is_held, self._weigh)
        self._line_is_free_at = 0.0
        self._waiting_bytes = 0

    def carry(self, step: Step, size: int = 0) -> None:
        """Do `step` after the latency: it decides what happens to bytes that were sent, `size` many."""
        if self.is_stopped:
            return
        latency = self._faults.latency
        self._late.add(_now() + latency if latency else None, step, size)

    def write(self, data: bytes) -> None:
        """Send to the target, at the bandwidth."""
        rate = self._faults.bandwidth
        if rate is None:
            self._slow.add(None, partial(self._target.write, data), len(data))
            return
        size = max(int(rate * _PIECE_SECONDS), _LEAST_PIECE)
        self._line_is_free_at = max(self._line_is_free_at, _now())
        for begin in range(0, len(data), size):
            piece = data[begin : begin + size]
            self._line_is_free_at += len(piece) / rate
            self._slow.add(self._line_is_free_at, partial(self._target.write, piece), len(piece))

    def finish(self, step: Step) -> None:
        """Do `step` when everything so far is written."""
        self._slow.add(None, step, 0)

    def heal(self) -> None:
        """Deliver now what waits; to be called when the faults are over."""
        self._line_is_free_at = 0.0
        self._slow.flush()
        self._late.flush()

    def stop(self) -> None:
        """Throw away what waits, and whatever comes."""
        self.is_stopped = True
        self._late.clear()
        self._slow.clear()

    def _weigh(self, more: int) -> None:
        self._waiting_bytes += more
        self._source.set_reading(self._waiting_bytes <= _MOST_WAITING)


class _Line:
    """Steps that happen in order, each when its time has come, and none while the line is held."""

    def __init__(self, is_held: Callable[[], bool], weigh: Callable[[int], None]) -> None:
        self._is_held = is_held
        self._weigh = weigh
        self._steps: deque[tuple[float, Step, int]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, due: float | None, step: Step, size: int) -> None:
        """Do `step` at `due`, or as soon as those before it are done."""
        if due is None and not self._steps and not self._is_held():
            step()
            return
        self._steps.append((due or 0.0, step, size))
        self._weigh(size)
        if self._timer is None:
            self._advance()

    def flush(self) -> None:
        """Do every step now."""
        self._stop_timer()
        while self._steps:
            self._do_first()

    def clear(self) -> None:
        """Do none of them."""
        self._stop_timer()
        self._weigh(-sum(size for _, _, size in self._steps))
        self._steps.clear()

    def _advance(self) -> None:
        self._stop_timer()
        while self._steps and not self._is_held():
            due = self._steps[0][0]
            if due > _now():
                self._timer = asyncio.get_running_loop().call_at(due, self._advance)
                return
            self._do_first()

    def _do_first(self) -> None:
        _, step, size = self._steps.popleft()
        self._weigh(-size)
        step()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _now() -> float:
    return asyncio.get_running_loop().time()
