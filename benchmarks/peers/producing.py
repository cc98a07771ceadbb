"""The producer of `latency`, which has a process of its own.

One job is stored before the worker starts: its call tells that the worker is up, and only then the producer starts.
"""

import asyncio
import random
import subprocess
import time
from collections.abc import Awaitable, Callable

import program
from program import Settings

WARM_UP = 1 + 20
"""The job that tells that the worker is up, and the first ones of the producer."""
_PAUSE = 0.005


def start_producer(settings: Settings) -> "subprocess.Popen[bytes]":
    """Start this program again as the producer: its workload `produce`."""
    return program.start_again("produce", settings)


def jobs_of(settings: Settings) -> int:
    """Return how many jobs are enqueued, warm-up included."""
    return int(settings["jobs"]) + WARM_UP


async def produce(settings: Settings, enqueue: Callable[[float], Awaitable[object]]) -> None:
    """Enqueue all but the first, with pauses between them; each is given when it was enqueued."""
    for _ in range(jobs_of(settings) - 1):
        await enqueue(time.monotonic())
        await asyncio.sleep(random.uniform(0.5, 1.5) * _PAUSE)


def produce_without_a_loop(settings: Settings, enqueue: Callable[[float], object]) -> None:
    """Do the same for a library that blocks."""
    for _ in range(jobs_of(settings) - 1):
        enqueue(time.monotonic())
        time.sleep(random.uniform(0.5, 1.5) * _PAUSE)


def decline_load(settings: Settings) -> None:
    """Decline `latency` under load, which other libraries are not measured with."""
    if settings["load"]:
        program.decline("latency under load is not measured with this library")
