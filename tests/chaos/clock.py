"""A time of day that can be set wrong, and stepped, while a worker runs."""

import threading
import time
from pathlib import Path

from sidelong.core.clock import SystemClock

_LOOK_EVERY = 0.05


def follow(file: Path) -> None:
    """Let this process be ahead of the time by the seconds that `file` names, now and whenever it is changed."""
    ahead = 0.0

    def look() -> None:
        nonlocal ahead
        while True:
            ahead = offset(file)
            time.sleep(_LOOK_EVERY)

    ahead = offset(file)
    SystemClock.now = lambda self: time.time() + ahead  # type: ignore[method-assign]
    threading.Thread(target=look, name="wrong-clock", daemon=True).start()


def offset(file: Path) -> float:
    """Return by how many seconds the file says that the clock is ahead."""
    try:
        return float(file.read_text())
    except (OSError, ValueError):
        return 0.0


def step(file: Path, ahead: float) -> None:
    """Change what the file says, in one step."""
    written = file.with_suffix(".new")
    written.write_text(str(ahead))
    written.replace(file)
