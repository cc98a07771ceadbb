"""Drain without an event loop: the same script calls as the floor, over a blocking socket.

No asyncio program can be as fast; what its loop costs is the difference between this and the floor.
"""

import socket
import time
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import hiredis

from benchmarks.floor import DONE_AND_TAKE, list_keys
from benchmarks.workload import Measures, Settings, read_settings, spare_the_collector, tell


class _Client:
    """Sends one command and waits for its answer."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader()

    def call(self, *words: str | int | bytes) -> Any:
        """Return the answer to one command."""
        self._socket.sendall(hiredis.pack_command(cast("Any", words)))
        while (answer := self._reader.gets()) is False:
            self._reader.feed(self._socket.recv(1_000_000))
        if isinstance(answer, Exception):
            raise answer
        return answer


def measure(settings: Settings) -> Measures:
    """Empty the queues and return the pace."""
    jobs, warm_up = settings["jobs"], settings["jobs"] // 10
    client = _Client(settings["url"])
    digest = client.call("SCRIPT", "LOAD", DONE_AND_TAKE)
    keys = list_keys(list(settings["queues"]))
    taken: Sequence[Any] = ()
    gone = counted_from = 0
    began = cpu_began = 0.0
    while gone < jobs or taken:
        if not began and gone >= warm_up:
            counted_from, began, cpu_began = gone, time.perf_counter(), time.process_time()
        taken = client.call("EVALSHA", digest, len(keys), *keys, len(taken) // 2, *taken, settings["slots"])
        gone += len(taken) // 2
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    counted = jobs - counted_from
    return {"jobs/s": counted / seconds, "CPU µs/job": cpu / counted * 1e6}


if __name__ == "__main__":
    spare_the_collector()
    tell(measure(read_settings()))
