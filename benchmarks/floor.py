"""The floor: what Redis and the least possible client need, with no library around it.

For `drain`, one script call per turn does one LREM for each job of the turn before and one LMOVE for each slot, over a
blocking socket, and nothing runs. A worker whose jobs are never lost cannot do less; what it needs beyond is its own.
"""

import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import hiredis

from benchmarks.workload import Measures, Settings, read_settings, tell

_SCRIPT = """
local settled = tonumber(ARGV[1])
for i = 1, settled do redis.call('LREM', KEYS[2 * ARGV[2 * i]], -1, ARGV[2 * i + 1]) end
local free, taken = tonumber(ARGV[2 * settled + 2]), {}
for queue = 1, #KEYS / 2 do
  while #taken < 2 * free do
    local raw = redis.call('LMOVE', KEYS[2 * queue - 1], KEYS[2 * queue], 'RIGHT', 'LEFT')
    if not raw then break end
    taken[#taken + 1] = queue
    taken[#taken + 1] = raw
  end
end
return taken
"""


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


def drain(settings: Settings) -> Measures:
    """Empty the queues and return the pace."""
    jobs, warm_up = settings["jobs"], settings["jobs"] // 10
    client = _Client(settings["url"])
    digest = client.call("SCRIPT", "LOAD", _SCRIPT)
    keys = [key for name in settings["queues"] for key in (f"queue:{name}", f"floor:{name}")]
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


_FLOORS: dict[str, Callable[[Settings], Measures]] = {"drain": drain}


if __name__ == "__main__":
    tell(_FLOORS[sys.argv[1]](read_settings()))
