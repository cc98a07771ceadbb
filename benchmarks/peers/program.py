"""A library's program: what its command line means, how it tells what it measured, and how it declines.

What stands beside it is the standard library's only, because each `peer.py` runs in an environment of its own:

    sys.path.insert(0, str(Path(__file__).parents[1]))
    import event_loop
    import program

    program.main(event_loop.workloads(Arq()))

A workload is a function, or a coroutine function, that takes the settings and returns its measures. What is not in the
mapping is declined; `decline(reason)` declines a setting.
"""

import asyncio
import inspect
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, NoReturn

Measures = dict[str, float]
Settings = Mapping[str, Any]
Run = Callable[[Coroutine[Any, Any, Any]], Any]

DECLINED = 64
"""Exit status of a library that cannot do a workload at all; its last line says why."""
_ONE_QUEUE = "several queues in one worker are not measured with this library"


def main(workloads: Mapping[str, Callable[[Settings], Any]], run: Run = asyncio.run) -> None:
    """Do the workload that the command line names, print its measures, and end this process.

    Args:
        workloads: name to what measures it; `produce` is the producer of `latency` and has no measures.
        run: runs a coroutine, on the event loop that the library's documentation recommends.
    """
    measure = workloads.get(sys.argv[1])
    if measure is None:
        decline(f"{sys.argv[1]} is not measured with this library")
    measures = measure(json.loads(sys.argv[2]))
    if inspect.iscoroutine(measures):
        run(_tell_at_once(measures))
    _tell(measures)


async def _tell_at_once(measuring: Coroutine[Any, Any, Measures | None]) -> None:
    """Leave from within the event loop, so that no task of the library can refuse to be cancelled."""
    try:
        measures = await measuring
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    _tell(measures)


def _tell(measures: Measures | None) -> NoReturn:
    if measures is not None:
        print(json.dumps(measures))
    sys.stdout.flush()
    # What the library would still do on its way out is not measured, and must hold nobody up.
    os._exit(0)


def start_again(workload: str, settings: Settings) -> "subprocess.Popen[bytes]":
    """Start this program again, beside this process, as a part that the library runs in a process of its own."""
    return subprocess.Popen([sys.executable, sys.argv[0], workload, json.dumps(settings)])


def decline(reason: str) -> NoReturn:
    """End this process: the library cannot do what it is asked for. Call it before anything runs."""
    print(reason, flush=True)
    sys.exit(DECLINED)


def only_queue(queues: Sequence[str] | Mapping[str, int]) -> str:
    """Return the queue if it is the only one, else decline."""
    if len(queues) > 1:
        decline(_ONE_QUEUE)
    return next(iter(queues))
