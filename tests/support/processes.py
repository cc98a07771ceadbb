"""Worker processes of a test: started, signalled, killed and, by a supervisor, replaced."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.support.eventually import eventually_sync
from tests.support.ledger import KILLED, READY, Ledger, read_process

ROOT = Path(__file__).parents[2]

URL = "TEST_REDIS_URL"
LEDGER = "TEST_LEDGER"
SETTINGS = "TEST_SETTINGS"
"""What `worker_app` reads: where Redis and the ledger are, and fields of `Config` as a JSON object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What a worker process is started with.

    Attributes:
        redis: URL of the server, or of a proxy in front of it.
        ledger: where its jobs tell what they do.
        concurrency: how many jobs run at once.
        queues: names, each with `,weight` if need be; empty for those of all jobs.
        timeout: seconds that running jobs have at a stop; None for the default.
        settings: `test` for short intervals, `default` for the product's own.
        overrides: single fields of `Config`.
        verbose: whether it logs at DEBUG.
        target: the application, as `sidelong run` takes it.
        module: what the process runs; it understands the flags of `worker_main`.
        extra: further flags for it.
    """

    redis: str
    ledger: Ledger
    concurrency: int = 10
    queues: Sequence[str] = ()
    timeout: float | None = None
    settings: str = "test"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    verbose: bool = False
    target: str = "tests.support.worker_app:app"
    module: str = "tests.support.worker_main"
    extra: Sequence[str] = ()

    def arguments(self) -> list[str]:
        """Return them as flags of `worker_main`."""
        flags = [
            f"--redis={self.redis}",
            f"--ledger={self.ledger.directory}",
            f"--concurrency={self.concurrency}",
            f"--queues={' '.join(self.queues)}",
            f"--settings={self.settings}",
            f"--target={self.target}",
            *[f"--set={name}={json.dumps(value)}" for name, value in self.overrides.items()],
            *self.extra,
        ]
        if self.timeout is not None:
            flags.append(f"--timeout={self.timeout}")
        if self.verbose:
            flags.append("--verbose")
        return flags


class WorkerProcess:
    """One worker process; `with` waits until it serves its queues, and kills it at the end if need be.

    Args:
        options: how it is started.
        failpoints: where it kills itself, as `name` or `name:n`.
    """

    def __init__(self, options: WorkerOptions, *, failpoints: Sequence[str] = ()) -> None:
        self.ledger = options.ledger
        self.ledger.directory.mkdir(parents=True, exist_ok=True)
        started_at = time.monotonic_ns()
        self.log_file = self.ledger.directory / f"{started_at}.log"
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    options.module,
                    *options.arguments(),
                    *[f"--failpoint={spec}" for spec in failpoints],
                ],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Signals of the terminal are for the tests; ours are sent to one process.
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        try:
            return self.wait_ready()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Its number, as the ledger has it."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit status, minus the signal that ended it, or None while it runs."""
        return self._process.poll()

    @property
    def is_ready(self) -> bool:
        """True once the worker has started and serves its queues."""
        return any(event.name == READY for event in read_process(self.ledger.directory, self.pid))

    def wait_ready(self, within: float = 30.0) -> Self:
        """Wait until it serves its queues.

        Raises:
            AssertionError: it ended, or was not ready in time; with its log.
        """
        eventually_sync(lambda: self.is_ready or self.returncode is not None, within)
        assert self.is_ready, f"the worker ended with {self.returncode}:\n{self.log()}"
        return self

    def wait(self, within: float = 30.0) -> int:
        """Wait until it has ended and return its exit status.

        Raises:
            AssertionError: it goes on; with its log.
        """
        try:
            return self._process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker still runs after {within:g} s:\n{self.log()}") from None

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def freeze(self) -> None:
        """Stop it in its tracks, as a suspended machine does."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo `freeze`."""
        self.send(signal.SIGCONT)

    def stop(self, within: float = 30.0) -> int:
        """Send SIGTERM and return the exit status."""
        self.send(signal.SIGTERM)
        return self.wait(within)

    def kill(self) -> None:
        """End it at once and wait until it is gone; the ledger is told."""
        if self.returncode is not None:
            return
        self._process.kill()
        if self._process.wait() == -signal.SIGKILL:
            self.ledger.write(KILLED, extra=str(self.pid))

    def log(self) -> str:
        """Return what it has written to standard output and error."""
        return self.log_file.read_text(errors="replace")

    def watch(self) -> int:
        """Wait without limit until it has ended, for the thread of a supervisor."""
        return self._process.wait()


class Supervisor:
    """Keeps a number of worker processes running; one that a signal kills is replaced, without its failpoints.

    Deaths by SIGKILL are written to the ledger, whoever caused them, so that second runs can be explained.

    Args:
        options: what every process is started with.
        count: how many.
        restarts: false to leave the dead alone.
    """

    def __init__(self, options: WorkerOptions, count: int = 3, *, restarts: bool = True) -> None:
        self.processes: list[WorkerProcess] = []
        self._options = options
        self._count = count
        self._restarts = restarts
        self._is_stopping = False
        self._lock = threading.Lock()
        self._watchers: list[threading.Thread] = []

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def start(self) -> None:
        """Start all processes and wait until they serve their queues."""
        for process in [self.spawn() for _ in range(self._count)]:
            process.wait_ready()

    def spawn(self, *failpoints: str, options: WorkerOptions | None = None) -> WorkerProcess:
        """Start one more process, which is replaced like the others.

        Args:
            failpoints: where it kills itself; those that replace it do not.
            options: instead of the supervisor's, for this process only.
        """
        with self._lock:
            return self._spawn(options or self._options, failpoints)

    def living(self) -> list[WorkerProcess]:
        """Return the processes that run."""
        with self._lock:
            return [process for process in self.processes if process.returncode is None]

    def kill_one(self, random: random.Random) -> WorkerProcess:
        """Kill a random one of those that are ready, and return it."""
        ready = eventually_sync(lambda: [process for process in self.living() if process.is_ready], 30)
        victim = random.choice(ready)
        victim.send(signal.SIGKILL)
        return victim

    def stop(self, within: float = 30.0) -> list[int]:
        """Stop all processes in order and return their exit statuses."""
        self._is_stopping = True
        living = self.living()
        for process in living:
            process.send(signal.SIGTERM)
        statuses = [process.wait(within) for process in living]
        self._join()
        return statuses

    def close(self) -> None:
        """End what still runs."""
        self._is_stopping = True
        for process in self.living():
            process.send(signal.SIGKILL)
        self._join()

    def logs(self) -> str:
        """Return the logs of all processes, dead ones included."""
        with self._lock:
            return "\n".join(f"--- {process.pid}\n{process.log()}" for process in self.processes)

    def _spawn(self, options: WorkerOptions, failpoints: Sequence[str]) -> WorkerProcess:
        process = WorkerProcess(options, failpoints=failpoints)
        self.processes.append(process)
        watcher = threading.Thread(target=self._watch, args=(process,), name=f"watch-{process.pid}")
        self._watchers.append(watcher)
        watcher.start()
        return process

    def _watch(self, process: WorkerProcess) -> None:
        status = process.watch()
        if status == -signal.SIGKILL:
            self._options.ledger.write(KILLED, extra=str(process.pid))
        with self._lock:
            # One that ended by itself would do so again, for ever.
            if status < 0 and self._restarts and not self._is_stopping:
                self._spawn(self._options, ())

    def _join(self) -> None:
        while True:
            with self._lock:
                waiting = [watcher for watcher in self._watchers if watcher.is_alive()]
            if not waiting:
                return
            for watcher in waiting:
                watcher.join()


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment with more variables, for programs that a test starts itself."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **variables}
