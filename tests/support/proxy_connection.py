"""One connection that goes through a proxy: its two ends, the flows between them, and how it ends."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.support.proxy_end import End
from tests.support.proxy_faults import Allowance, Faults
from tests.support.proxy_flow import Flow
from tests.support.resp import PUSH, Splitter

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class ConnectionRecord:
    """What is known of one connection that a program made.

    Attributes:
        number: 0 for the first since the proxy started.
        opened_at: seconds on the monotonic clock.
        requests: how many whole requests were forwarded.
        replies: how many whole replies were forwarded.
        is_open: false once either side has closed it.
    """

    number: int
    opened_at: float
    requests: int
    replies: int
    is_open: bool


class Connection:
    """One program's connection and its counterpart to the server.

    Args:
        number: 0 for the first of a proxy.
        upstream_port: where the server listens.
        faults: what is to go wrong.
        ended: called, perhaps more than once, when both sockets are closed.
    """

    def __init__(self, number: int, upstream_port: int, faults: Faults, ended: Callable[["Connection"], None]) -> None:
        self.number = number
        self.client = End(self._client_opened, self._client_sent, self._client_gone)
        self.upstream = End(lambda: None, self._upstream_sent, self._upstream_gone)
        self.connecting: asyncio.Task[None] | None = None
        self.allowance = Allowance(faults)
        self._opened_at = time.monotonic()
        self._upstream_port = upstream_port
        self._faults = faults
        self._ended = ended
        self._requests = Flow(faults, lambda: faults.holds_requests, self.client, self.upstream)
        self._replies = Flow(faults, lambda: faults.holds_replies, self.upstream, self.client)
        self._request_splitter = Splitter()
        self._reply_splitter = Splitter()
        self._drops: deque[bool] = deque()
        self._request_count = 0
        self._reply_count = 0
        # Between the decision to cut and the cut, what came before is still on its way.
        self._is_condemned = False
        self._is_cut = False

    @property
    def is_open(self) -> bool:
        """True until either side has closed it, or a fault has cut it."""
        return self.client.is_open and not self._is_cut

    @property
    def has_ended(self) -> bool:
        """True when neither socket is open, nor will be."""
        is_connecting = self.connecting is not None and not self.connecting.done()
        return not (self.client.is_open or self.upstream.is_open or is_connecting)

    def record(self) -> ConnectionRecord:
        """Return what is known of it now."""
        return ConnectionRecord(
            number=self.number,
            opened_at=self._opened_at,
            requests=self._request_count,
            replies=self._reply_count,
            is_open=self.is_open,
        )

    def heal(self) -> None:
        """Lift all limits and deliver what waits."""
        self._drops = deque(False for _ in self._drops)
        self.allowance.lift()
        self._requests.heal()
        self._replies.heal()

    def strand(self) -> None:
        """Forward nothing any more, for good; close one side only when the other closes."""
        self._stop()
        self.upstream.forget_early()
        # What one side's end would have done to the other was perhaps still on its way.
        if self.client.is_gone:
            self.upstream.close()
        if self.upstream.is_gone:
            self.client.close()

    def cut(self, *, is_fault: bool = True) -> None:
        """Reset the program's side and hang up on the server, which still sees all that was forwarded."""
        if is_fault and self.is_open:
            self._faults.cuts += 1
        self._is_cut = True
        self._stop()
        self.client.reset()
        self.upstream.close()

    # What the two ends report.

    def _client_opened(self) -> None:
        if self._faults.is_refusing:
            self.cut(is_fault=False)
            return
        self.connecting = asyncio.get_running_loop().create_task(self._connect())
        self.connecting.add_done_callback(lambda _: self._look_for_end())

    async def _connect(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: self.upstream, HOST, self._upstream_port)
        except OSError:
            self.cut(is_fault=False)

    def _client_sent(self, data: bytes) -> None:
        self._requests.carry(partial(self._forward_requests, data), len(data))

    def _client_gone(self) -> None:
        # A server behind a black hole does not learn that its client has gone: its blocked command lives on.
        self._close_after(self._requests, self.upstream)

    def _upstream_sent(self, data: bytes) -> None:
        self._replies.carry(partial(self._forward_replies, data), len(data))

    def _upstream_gone(self) -> None:
        self._close_after(self._replies, self.client)

    def _close_after(self, flow: Flow, end: End) -> None:
        if flow.is_stopped:
            end.close()
        else:
            flow.carry(lambda: flow.finish(end.close))
        self._look_for_end()

    def _look_for_end(self) -> None:
        if self.has_ended:
            self._stop()
            self._ended(self)

    def _stop(self) -> None:
        self._requests.stop()
        self._replies.stop()

    # What becomes of the bytes.

    def _forward_requests(self, data: bytes) -> None:
        if self._is_condemned:
            return
        forwarded = self.allowance.spend_request_bytes(len(data))
        if forwarded is not None:
            self._condemn(self._requests, data[:forwarded])
            return
        for request in self._request_splitter.feed(data):
            self._request_count += 1
            self._drops.append(self._faults.wants_reply_dropped(request))
        self._requests.write(data)

    def _forward_replies(self, data: bytes) -> None:
        if self._is_condemned:
            return
        forwarded: list[bytes] = []
        for reply in self._reply_splitter.feed(data):
            if not reply.startswith(PUSH):
                is_unwanted = self._drops.popleft() if self._drops else False
                delivered = self.allowance.spend_reply(reply, is_unwanted=is_unwanted)
                if delivered is not None:
                    self._count(is_whole=delivered == len(reply))
                    self._condemn(self._replies, b"".join([*forwarded, reply[:delivered]]))
                    return
                self._count(is_whole=True)
            forwarded.append(reply)
        self._replies.write(b"".join(forwarded))

    def _count(self, *, is_whole: bool) -> None:
        if is_whole:
            self._reply_count += 1
        else:
            self._faults.replies_dropped += 1

    def _condemn(self, flow: Flow, last: bytes) -> None:
        self._is_condemned = True
        flow.write(last)
        flow.finish(self.cut)
