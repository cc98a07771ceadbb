"""What really ran, told outside Redis, so that a lost or doubled job cannot hide its own traces.

One file per process, opened for appending, one `os.write` per event: a process that is killed in the middle
of anything leaves every earlier line whole. Nothing is flushed to disk: processes die here, machines do not.
"""

import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

START = "START"
"""A job's body began."""
END = "END"
"""A job's body came to its last line."""
FAIL = "FAIL"
"""A job's body was left by an exception, named in `extra`."""
READY = "READY"
"""A worker process serves its queues."""
KILLED = "KILLED"
"""A process died of SIGKILL; its number is in `extra`."""

_LINE_LIMIT = 4000
_opening = threading.Lock()


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """One line of a ledger.

    Attributes:
        ns: on the machine's monotonic clock, so that files of several processes can be merged.
        pid: the process that wrote it.
        name: what happened.
        jid: the job it happened to; empty if it concerns none.
        extra: more words.
    """

    ns: int
    pid: int
    name: str
    jid: str = ""
    extra: str = ""


class Ledger:
    """Writes events; one object serves all threads of a process, and its children after a fork.

    Args:
        directory: shared by all processes of one test.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)
        self._pid = 0
        self._file = -1

    def write(self, name: str, jid: str = "", extra: str = "") -> None:
        """Append one event; when this returns, no death of the process can undo it."""
        if self._pid != os.getpid():
            self._open()
        line = f"{time.monotonic_ns()} {self._pid} {name} {_word(jid)} {' '.join(extra.split())}"
        os.write(self._file, line.encode("utf-8", "replace")[:_LINE_LIMIT] + b"\n")

    def history(self) -> "History":
        """Return what all processes have written so far."""
        return History(read(self.directory))

    def close(self) -> None:
        """Close the file; a later `write` opens it again."""
        if self._pid == os.getpid():
            os.close(self._file)
        self._pid = 0

    def _open(self) -> None:
        with _opening:
            pid = os.getpid()
            if self._pid == pid:
                return
            self.directory.mkdir(parents=True, exist_ok=True)
            path = self.directory / f"{pid}.ledger"
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            self._pid = pid


def read(directory: str | os.PathLike[str]) -> list[Event]:
    """Return the events of all processes in the order in which they happened."""
    return sorted(event for path in Path(directory).glob("*.ledger") for event in _events_in(path))


def read_process(directory: str | os.PathLike[str], pid: int) -> list[Event]:
    """Return the events that one process wrote."""
    path = Path(directory) / f"{pid}.ledger"
    return list(_events_in(path)) if path.exists() else []


class Tail:
    """Reads what processes add to a ledger, without reading the rest again.

    Args:
        directory: of the ledger.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = Path(directory)
        self._read: dict[Path, int] = {}

    def more(self) -> list[Event]:
        """Return the events since the last call, in order; at the first call all of them."""
        events = []
        for path in self._directory.glob("*.ledger"):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                whole, _, _ = file.read().rpartition(b"\n")
            if whole:
                self._read[path] = self._read.get(path, 0) + len(whole) + 1
                events += map(_event, whole.decode("utf-8", "replace").split("\n"))
        return sorted(events)


@dataclass
class History:
    """The merged ledger, and the questions that decide a test.

    Attributes:
        events: all of them, in order.
        runs: jid to the numbers of the processes that began it, in order.
        ends: jid to the numbers of the processes that came to its end, in order.
    """

    events: list[Event]
    runs: dict[str, list[int]] = field(init=False)
    ends: dict[str, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.runs = self._processes(START)
        self.ends = self._processes(END)

    def named(self, name: str) -> list[Event]:
        """Return the events of one name."""
        return [event for event in self.events if event.name == name]

    def order(self, name: str = START) -> list[str]:
        """Return the jids in the order of their events of one name."""
        return [event.jid for event in self.events if event.name == name]

    def lost(self, enqueued: Iterable[str], waiting: Collection[str] = ()) -> set[str]:
        """Return the jids that never came to their end and are not waiting anywhere.

        Args:
            enqueued: jids whose push returned.
            waiting: jids that Redis still holds, see `redis_state.places`.
        """
        return {jid for jid in enqueued if jid not in self.ends and jid not in waiting}

    def ran_twice(self) -> set[str]:
        """Return the jids that began more than once, whether they ended or not."""
        return {jid for jid, pids in self.runs.items() if len(pids) > 1}

    def ended_twice(self) -> set[str]:
        """Return the jids that came to their end more than once."""
        return {jid for jid, pids in self.ends.items() if len(pids) > 1}

    def unexplained(self, troubled: Collection[int] | None = None) -> set[str]:
        """Return the jids that ran again although nothing had happened to the process that ran them before.

        Every run but the last needs an excuse: a process that was killed, frozen or cut off.

        Args:
            troubled: numbers of such processes; by default those with a KILLED event.
        """
        excused = self.killed() if troubled is None else set(troubled)
        return {jid for jid, pids in self.runs.items() if any(pid not in excused for pid in pids[:-1])}

    def killed(self) -> set[int]:
        """Return the numbers of the processes that died of SIGKILL."""
        return {int(event.extra) for event in self.named(KILLED)}

    def overlapping(self) -> set[str]:
        """Return the jids that began again while an earlier run of a living process was going on."""
        killed = self.killed()
        running: Counter[str] = Counter()
        found = set()
        for event in self.events:
            if event.pid in killed:
                continue
            if event.name == START:
                running[event.jid] += 1
                if running[event.jid] > 1:
                    found.add(event.jid)
            elif event.name in (END, FAIL):
                running[event.jid] -= 1
        return found

    def most_at_once(self) -> int:
        """Return the largest number of jobs that ran at the same time."""
        running = most = 0
        for event in self.events:
            running += {START: 1, END: -1, FAIL: -1}.get(event.name, 0)
            most = max(most, running)
        return most

    def _processes(self, name: str) -> dict[str, list[int]]:
        found: defaultdict[str, list[int]] = defaultdict(list)
        for event in self.events:
            if event.name == name:
                found[event.jid].append(event.pid)
        return dict(found)


def _events_in(path: Path) -> Iterator[Event]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        if not line.endswith("\n"):
            # Being written this moment.
            return
        yield _event(line[:-1])


def _event(line: str) -> Event:
    ns, pid, name, jid, extra = line.split(" ", 4)
    return Event(int(ns), int(pid), name, "" if jid == "-" else jid, extra)


def _word(text: str) -> str:
    return "_".join(text.split()) or "-"
