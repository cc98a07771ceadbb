"""The directory in which a run leaves what it has: it belongs to one run at a time, and only runs are removed."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

LOCK = "lock"
"""The file that is locked while a run is under way; it stays, as it could not be removed without a race."""


class UnusablePlaceError(Exception):
    """A run cannot leave anything in a directory."""


@contextmanager
def place(directory: Path | None, *marks: str) -> Iterator[Path]:
    """Give a directory that is empty but for its lock, which is held inside the block.

    Args:
        directory: which one, rid of an earlier run; None for a temporary one.
        marks: the files that a run has left when it has ended; without all of them nothing is removed.

    Raises:
        UnusablePlaceError: another run has it, it holds something else, or it cannot be written.
    """
    if directory is None:
        directory = _new()
    with _locked(directory, marks):
        yield directory


def _new() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="sidelong-chaos-"))
    except OSError as error:
        raise UnusablePlaceError(f"there is no place for temporary files: {error.strerror}") from None


@contextmanager
def _locked(directory: Path, marks: tuple[str, ...]) -> Iterator[None]:
    try:
        lock = _open_lock(directory, marks)
    except OSError as error:
        raise _not_writable(directory, error) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnusablePlaceError(f"another run is under way in {directory}") from None
        try:
            _clear(directory, marks)
        except OSError as error:
            raise _not_writable(directory, error) from None
        yield


def _open_lock(directory: Path, marks: tuple[str, ...]) -> IO[str]:
    directory.mkdir(parents=True, exist_ok=True)
    # Not even a lock is written where something else is.
    if not (directory / LOCK).is_file():
        _require_run(directory, marks)
    return (directory / LOCK).open("a")


def _clear(directory: Path, marks: tuple[str, ...]) -> None:
    for path in _require_run(directory, marks):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _require_run(directory: Path, marks: tuple[str, ...]) -> list[Path]:
    """Return what an earlier run has left."""
    left = [path for path in directory.iterdir() if path.name != LOCK]
    if left and not all((directory / mark).is_file() for mark in marks):
        raise UnusablePlaceError(f"{directory} is not empty, and holds no run that has ended: nothing is removed")
    return left


def _not_writable(directory: Path, error: OSError) -> UnusablePlaceError:
    return UnusablePlaceError(f"{directory} cannot be written: {error.strerror}")
