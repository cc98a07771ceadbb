"""The worker processes of a run: each in a slot of its own, replaced whenever it ends before the run does."""

import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Self

from tests.chaos.events import CUT_OFF, EXITED, FROZEN, KILLED, REJOINED, SAMPLE, STOPPING, THAWED, words
from tests.chaos.samples import process_use
from tests.support.eventually import eventually_sync
from tests.support.ledger import Ledger
from tests.support.processes import WorkerOptions, WorkerProcess
from tests.support.proxy import Direction, Proxy

_PAUSE = 0.3
_SAMPLE_EVERY = 1.0


class Slot:
    """One worker that is always there: when its process ends, another takes its place.

    Args:
        options: what each process is started with.
        link: the proxy between it and Redis, if there is one.
    """

    def __init__(self, options: WorkerOptions, ledger: Ledger, link: Proxy | None = None) -> None:
        self.link = link
        self.processes: list[WorkerProcess] = []
        self.is_frozen = False
        self._options = options
        self._ledger = ledger
        self._failpoints: Sequence[str] = ()
        self._armed: dict[int, Sequence[str]] = {}
        self._is_cut_off = False
        self._is_over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="slot", daemon=True)

    def start(self) -> None:
        """Start the first process."""
        self._keeper.start()
        eventually_sync(lambda: self.processes, 30)

    @property
    def process(self) -> WorkerProcess:
        """The process that has the slot now, or had it last."""
        return self.processes[-1]

    @property
    def is_serving(self) -> bool:
        """True while its process runs, is ready, and is not frozen."""
        return self.process.returncode is None and self.process.is_ready and not self.is_frozen

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self.process.send(signal.SIGKILL)

    def restart(self, within: float = 60.0) -> None:
        """Stop the process with SIGTERM and wait until its successor serves, `within` seconds."""
        old = self.process
        self._ledger.write(STOPPING, extra=words(pid=old.pid))
        old.send(signal.SIGTERM)
        eventually_sync(lambda: self.process is not old and self.is_serving, within)

    def arm(self, failpoint: str) -> WorkerProcess:
        """Replace the process by one that kills itself at a failpoint, and return that one.

        Args:
            failpoint: `name`, or `name:n` for the n-th hit.
        """
        while True:
            old = self.process
            self._failpoints = (failpoint,)
            self._ledger.write(STOPPING, extra=words(pid=old.pid))
            old.send(signal.SIGTERM)
            made = eventually_sync(lambda old=old: self.process is not old and self.process, 60)
            if failpoint in self._armed[made.pid]:
                return made
            # The old one had just ended by itself, and its successor was being started unarmed.

    def freeze(self, seconds: float) -> None:
        """Stop the process in its tracks for a while."""
        process = self.process
        self.is_frozen = True
        self._ledger.write(FROZEN, extra=words(pid=process.pid))
        process.freeze()
        self._is_over.wait(seconds)
        process.thaw()
        self._ledger.write(THAWED, extra=words(pid=process.pid))
        self.is_frozen = False

    def cut_off(self, seconds: float, direction: Direction = "both") -> None:
        """Let its link to Redis go silent for a while."""
        assert self.link is not None
        with self._telling_of_silence():
            self.link.blackhole(direction)
            self._is_over.wait(seconds)
            self.link.heal()

    def strand(self, seconds: float) -> None:
        """Let every connection that its link has now go silent for good.

        Args:
            seconds: after which all of them will have been given up.
        """
        assert self.link is not None
        with self._telling_of_silence():
            self.link.strand()
            self._is_over.wait(seconds)

    @contextmanager
    def _telling_of_silence(self) -> Iterator[None]:
        """Tell that the link is silent inside the block, also of processes that are started meanwhile."""
        self._is_cut_off = True
        self._ledger.write(CUT_OFF, extra=words(pid=self.process.pid))
        first = len(self.processes) - 1
        try:
            yield
        finally:
            self._is_cut_off = False
            for process in self.processes[first:]:
                self._ledger.write(REJOINED, extra=words(pid=process.pid))

    def end(self) -> None:
        """Start no more processes."""
        self._is_over.set()

    def stop(self) -> None:
        """Stop the process for good."""
        self._is_over.set()
        process = self.process
        if process.returncode is None:
            self._ledger.write(STOPPING, extra=words(pid=process.pid))
            process.send(signal.SIGTERM)

    def wait(self, within: float) -> None:
        """Wait until the slot is empty; what does not end is killed."""
        self._keeper.join(within)
        if self._keeper.is_alive():
            self.kill()
            self._keeper.join(10)

    def _keep(self) -> None:
        while not self._is_over.is_set():
            failpoints, self._failpoints = self._failpoints, ()
            process = WorkerProcess(self._options, failpoints=failpoints)
            self._armed[process.pid] = failpoints
            self.processes.append(process)
            if self._is_cut_off:
                self._ledger.write(CUT_OFF, extra=words(pid=process.pid))
            if self._is_over.is_set():
                process.send(signal.SIGTERM)
            status = process.watch()
            if status == -signal.SIGKILL:
                self._ledger.write(KILLED, extra=str(process.pid))
            else:
                self._ledger.write(EXITED, extra=words(pid=process.pid, status=status))
                if status:
                    # Redis may be away: another try at once would meet the same.
                    self._is_over.wait(_PAUSE)


class Fleet:
    """All slots of a run, and a thread that notes what their processes use."""

    def __init__(self, slots: Sequence[Slot], ledger: Ledger) -> None:
        self.slots = list(slots)
        self._ledger = ledger
        self._is_over = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        try:
            for slot in self.slots:
                slot.start()
            for slot in self.slots:
                slot.process.wait_ready(60)
        except BaseException:
            self.close()
            raise
        self._sampler.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def any(self, chance: random.Random, *, linked: bool = False, but: Slot | None = None) -> Slot:
        """Return a slot by chance whose process serves.

        Args:
            chance: chooses.
            linked: only one with a link of its own.
            but: not this one.
        """
        slots = [slot for slot in self.slots if slot is not but and (slot.link is not None or not linked)]
        return chance.choice(eventually_sync(lambda: [slot for slot in slots if slot.is_serving], 60))

    def stop(self, within: float = 40.0) -> None:
        """Stop every process; returns when all have ended."""
        self._is_over.set()
        for slot in self.slots:
            slot.stop()
        ends_at = time.monotonic() + within
        for slot in self.slots:
            slot.wait(max(0.1, ends_at - time.monotonic()))

    def close(self) -> None:
        """End what still runs."""
        for slot in self.slots:
            slot.end()
            if slot.processes and slot.process.returncode is None:
                slot.process.send(signal.SIGKILL)
        self.stop(10)

    def _sample(self) -> None:
        while not self._is_over.wait(_SAMPLE_EVERY):
            for slot in self.slots:
                sample(self._ledger, slot.process)


def sample(ledger: Ledger, process: WorkerProcess) -> None:
    """Note what a process uses, if it still runs."""
    with suppress(FileNotFoundError, ProcessLookupError):
        used = process_use(process.pid)
        ledger.write(
            SAMPLE,
            extra=words(
                pid=process.pid,
                rss=round(used["memory_mb"] * 1024),
                fds=used["descriptors"],
                threads=used["threads"],
                cpu=f"{used['cpu_seconds']:.2f}",
                log=process.log_file.stat().st_size,
            ),
        )
