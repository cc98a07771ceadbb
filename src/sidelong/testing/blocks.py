"""Blocks of tests, which take the pushes of one app while they are open, and the rule by which they are told apart.

A push goes to the innermost open block of its app that the context it runs in was started in. A context that knows of
none, such as that of a server's thread, belongs to the one block that is open; where there are several, nobody can
say whose it is, and it is refused.
"""

import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context

from sidelong.client.client import Client, Destination
from sidelong.core.clock import Clock
from sidelong.store.pusher import Push

Receive = Callable[[Sequence[Push]], Awaitable[None]]

_started_in: ContextVar[tuple["Block", ...]] = ContextVar("sidelong_blocks", default=())
"""The blocks that a context was started in, the innermost last; some may have ended."""


class Block:
    """Takes the pushes of one app, and is its clock, while it is open.

    Args:
        client: pushes the jobs of the app.

    Attributes:
        client: the same.
        is_open: whether it takes pushes.
        ahead: seconds by which its time is ahead of that of the app.
        outer: the block of the same app that it was opened in; None if there is none.
        context: what its jobs start with: a snapshot of where it was opened, as a worker takes one when it boots.
    """

    context: Context

    def __init__(self, client: Client) -> None:
        self.client = client
        self.is_open = False
        self.ahead = 0.0
        self.outer: Block | None = None
        self._clock = client.clock
        self._receive: Receive = _refuse

    @contextmanager
    def open(self, receive: Receive) -> Iterator[None]:
        """Take pushes in this block of a `with` statement.

        Args:
            receive: is given the jobs.
        """
        self._receive = receive
        self.outer = _known_to_context(self.client)
        self.ahead = 0.0 if self.outer is None else self.outer.ahead
        self._clock = _join(self)
        self.is_open = True
        _started_in.set((*_started_in.get(), self))
        self.context = copy_context()
        try:
            yield
        finally:
            self.is_open = False
            # What a token would do where setting up and tearing down run in one context, as fixtures may not.
            _started_in.set(tuple(block for block in _started_in.get() if block is not self))
            _leave(self)

    async def push(self, pushes: Sequence[Push], /) -> None:
        """Take jobs, in the place of a `Pusher`."""
        await self._receive(pushes)

    def now(self) -> float:
        """Return the time of day in this block, in epoch seconds."""
        return self._clock.now() + self.ahead

    def monotonic(self) -> float:
        """Return seconds since some fixed point."""
        return self._clock.monotonic()


class _Diversion:
    """Stands in the place of the pusher and the clock of one client, and asks for the block that is meant.

    Args:
        client: whose pushes are diverted.

    Attributes:
        blocks: those that are open.
        clock: the client's own.
    """

    def __init__(self, client: Client) -> None:
        self.blocks: tuple[Block, ...] = ()
        self.clock: Clock = client.clock
        self._client = client
        self._pusher = client.pusher
        client.pusher, client.clock = self._destination, self

    def end(self) -> None:
        """Give the client back what is its own."""
        self._client.pusher, self._client.clock = self._pusher, self.clock

    def now(self) -> float:
        """Return the time of day in the block that is meant, in epoch seconds."""
        block = self._find()
        return self.clock.now() if block is None else block.now()

    def monotonic(self) -> float:
        """Return seconds since some fixed point."""
        return self.clock.monotonic()

    def _destination(self) -> Destination:
        return self._find() or self._pusher()

    def _find(self) -> Block | None:
        """Return the block that is meant; None if the last one has just ended."""
        if (known := _known_to_context(self._client)) is not None:
            return known
        blocks = self.blocks
        innermost = [block for block in blocks if not any(other.outer is block for other in blocks)]
        if len(innermost) > 1:
            raise RuntimeError(
                f"{len(innermost)} blocks of sidelong.testing are open for this app, and what enqueues here was started"
                " in none of them: start it inside its block, or give each test an app of its own"
            )
        return innermost[0] if innermost else None


_lock = threading.Lock()
_diversions: dict[Client, _Diversion] = {}


def _join(block: Block) -> Clock:
    """Let pushes find the block from now on; return the clock that the client has of itself."""
    with _lock:
        diversion = _diversions.get(block.client)
        if diversion is None:
            diversion = _diversions[block.client] = _Diversion(block.client)
        diversion.blocks = (*diversion.blocks, block)
        return diversion.clock


def _leave(block: Block) -> None:
    with _lock:
        diversion = _diversions[block.client]
        diversion.blocks = tuple(other for other in diversion.blocks if other is not block)
        if not diversion.blocks:
            diversion.end()
            del _diversions[block.client]


def _known_to_context(client: Client) -> Block | None:
    """Return the innermost open block of a client in which this context was started; None if it knows of none."""
    for block in reversed(_started_in.get()):
        if block.client is client and block.is_open:
            return block
    return None


async def _refuse(pushes: Sequence[Push]) -> None:
    raise RuntimeError("this block of sidelong.testing was never opened")
