"""Workers that are started by a command: run, watched, and gone with all their processes."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

Worker: TypeAlias = "subprocess.Popen[bytes]"

_STOPS_WITHIN = 10.0


@contextmanager
def running_worker(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Worker]:
    """Run a worker's command for as long as the block lasts, and leave none of its processes behind.

    Args:
        command: its words; a program of the environment stands in `Path(sys.executable).parent`.
        environment: variables beside those of this process.
    """
    with tempfile.TemporaryFile() as log:
        worker = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield worker
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read().decode(errors="replace")[-5_000:])
            raise
        finally:
            _stop(worker)


def _stop(worker: Worker) -> None:
    tree = _tree(worker.pid)
    worker.terminate()
    try:
        worker.wait(_STOPS_WITHIN)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
    for pid in tree:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _tree(pid: int) -> list[int]:
    found: list[int] = []
    # A process may end while it is looked at.
    with suppress(FileNotFoundError, ProcessLookupError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, children.read_text().split()):
                found += [child, *_tree(child)]
    return found


def cpu_seconds(pid: int) -> float:
    """Return what a process, all its descendants and those that have ended have used so far."""
    ticks = 0
    for one in [pid, *_tree(pid)]:
        try:
            # The name of the program, in parentheses, may hold spaces.
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # Its own time, and that of children that it has waited for.
        ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")
