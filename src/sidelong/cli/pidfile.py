"""The pidfile of a worker: which process to signal, in a file that a living worker keeps locked.

The lock tells a worker from another process that was given its number after it died.
"""

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sidelong.errors import ConfigurationError

_PID: Final = re.compile(rb"[1-9]\d{0,8}")
_LONGEST: Final = 64
_OPEN_FILES: Final = "/proc/{}/fd"


class PidfileTakenError(Exception):
    """A living worker holds the pidfile; the message is one sentence for the operator."""


class Pidfile:
    """The pidfile of this process.

    Args:
        path: where it is written, in one step; what a dead worker has left there is replaced.

    Raises:
        PidfileTakenError: a living worker holds it.
        ConfigurationError: it cannot be written, or something else is there.
    """

    def __init__(self, path: Path) -> None:
        # The application may change the directory.
        self._path = path.absolute()
        self._pid = os.getpid()
        try:
            self._descriptor = self._take()
        except OSError as error:
            raise ConfigurationError(f"the pidfile {path} cannot be written: {error.strerror or error}") from None

    def remove(self) -> None:
        """Remove the file if it is still that of this process; the lock goes when the process does."""
        # What a job has forked is another process.
        if os.getpid() == self._pid and _is_file(self._path, os.fstat(self._descriptor)):
            with suppress(OSError):
                self._path.unlink()

    def _take(self) -> int:
        fresh = self._path.with_name(f".{self._path.name}.new")
        descriptor = self._locked(fresh)
        try:
            if (pid := holder(self._path)) is not None:
                raise PidfileTakenError(f"a worker runs already, with pid {pid}: {self._path} is its pidfile")
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{self._pid}\n".encode())
            fresh.replace(self._path)
        except BaseException:
            with suppress(OSError):
                fresh.unlink()
            os.close(descriptor)
            raise
        return descriptor

    def _locked(self, fresh: Path) -> int:
        """Return the file that becomes the pidfile; while one process has it locked, no other can come this far."""
        while True:
            descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                raise PidfileTakenError(f"another worker is starting with the pidfile {self._path}") from None
            except OSError:
                os.close(descriptor)
                raise
            if _is_file(fresh, os.fstat(descriptor)):
                return descriptor
            # Whoever had it locked has renamed or removed it meanwhile.
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Holder:
    """The worker that holds a pidfile.

    Attributes:
        pid: its number.
    """

    pid: int
    _descriptor: int

    @property
    def is_alive(self) -> bool:
        """Whether its process is still there, also after it has removed the file."""
        return _is_locked(self._descriptor) and _has_open(self.pid, os.fstat(self._descriptor))


def holder(path: Path) -> int | None:
    """Return the pid of the living worker that holds a pidfile; None if there is none, or no such file.

    Raises:
        ConfigurationError: it is no pidfile.
        OSError: it cannot be read.
    """
    with held(path) as worker:
        return None if worker is None else worker.pid


@contextmanager
def held(path: Path) -> Iterator[Holder | None]:
    """Give the living worker that holds a pidfile, which is kept open for so long; as `holder` otherwise."""
    try:
        # Without waiting, should it be a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        yield None
        return
    try:
        is_regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        text = os.read(descriptor, _LONGEST).strip() if is_regular else b""
        if not is_regular or (text and not _PID.fullmatch(text)):
            raise ConfigurationError(f"{path} is no pidfile")
        worker = Holder(int(text), descriptor) if text else None
        yield worker if worker is not None and worker.is_alive else None
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        # Closing it gives the lock back.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _has_open(pid: int, status: os.stat_result) -> bool:
    """Tell whether a process has this file open.

    What a job has forked keeps the lock even after its worker has died; and in another container the number is that of
    another process.
    """
    try:
        if not Path(_OPEN_FILES.format("self")).exists():
            # A system without /proc.
            os.kill(pid, 0)
            return True
        return any(_is_file(each, status) for each in Path(_OPEN_FILES.format(pid)).iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return False
    except PermissionError:
        # It belongs to somebody else, and nobody may look.
        return True


def _is_file(path: Path, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), status)
    except OSError:
        return False
