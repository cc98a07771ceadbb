import asyncio
import os
import socket
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from tests.chaos.samples import process_use, save, tell, thinned, told


def test_reads_what_this_process_uses() -> None:
    use = process_use(os.getpid(), port=1)

    assert 5 < use["memory_mb"] < 5_000
    # One that has ended may still be there for a moment.
    assert use["threads"] >= threading.active_count()
    assert use["cpu_seconds"] > 0
    assert use["connections"] == 0


def test_counts_every_open_descriptor(tmp_path: Path) -> None:
    before = process_use(os.getpid(), port=1)["descriptors"]

    with (tmp_path / "one").open("w"), (tmp_path / "one").open():
        during = process_use(os.getpid(), port=1)["descriptors"]

    assert during - before == 2


def test_counts_connections_to_the_port_and_no_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        port = one.getsockname()[1]
        with (
            socket.create_connection(one.getsockname()),
            socket.create_connection(one.getsockname()),
            socket.create_connection(other.getsockname()),
        ):
            connections = process_use(os.getpid(), port)["connections"]

    assert connections == 2


def test_a_process_that_has_ended_is_told_apart() -> None:
    with pytest.raises((FileNotFoundError, ProcessLookupError)):
        process_use(2**22 + 1, port=1)


async def test_a_process_tells_how_many_tasks_and_threads_of_other_names_it_has(tmp_path: Path) -> None:
    tasks, threads, over = len(asyncio.all_tasks()), threading.active_count(), threading.Event()
    waiting = [asyncio.create_task(asyncio.Event().wait()) for _ in range(3)]
    named = [threading.Thread(target=over.wait, name=name) for name in ("job-1", "job-2", "log")]
    for thread in named:
        thread.start()

    tell(tmp_path, but="job-")

    assert told(tmp_path, os.getpid()) == {"tasks": tasks + 3, "service_threads": threads + 1}
    assert told(tmp_path, 1) == {}
    over.set()
    for thread in named:
        thread.join()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def test_thins_rows_evenly_and_keeps_both_ends() -> None:
    rows = [{"seconds": float(number)} for number in range(5_000)]

    kept = [row["seconds"] for row in thinned(rows, 2_000)]

    assert (len(kept), kept[0], kept[-1]) == (2_000, 0.0, 4_999.0)
    assert {later - earlier for earlier, later in pairwise(kept)} == {2.0, 3.0}
    assert thinned(rows[:5], 2_000) == rows[:5]


def test_writes_rows_that_differ_in_their_columns(tmp_path: Path) -> None:
    save(tmp_path / "samples.csv", [{"seconds": 1.0, "keys": 3}, {"seconds": 2.125, "tasks": 10}])

    assert (tmp_path / "samples.csv").read_text().splitlines() == ["seconds,keys,tasks", "1,3,", "2.12,,10"]
