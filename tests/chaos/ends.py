"""How runs end: what the exit status says, and what is told of a run that comes to no end."""

import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

HELD = 0
"""Every invariant held."""
VIOLATED = 1
"""An invariant did not hold."""
MISUSED = 2
"""Nothing could be run."""
UNFINISHED = 3
"""A run came to no end, so that nothing can be said of it."""

FAILURE = "failure.txt"
"""The file in a run's directory that has the traceback of what ended it."""

_WORST_FIRST = (VIOLATED, UNFINISHED, MISUSED, HELD)
_LONGEST = 300


def worst(statuses: Sequence[int]) -> int:
    """Return the exit status of several runs: what was found comes before what could not be looked at."""
    found = {_known(status) for status in statuses}
    return next(status for status in _WORST_FIRST if status in found)


def summary(statuses: Sequence[int]) -> str:
    """Return how many of several runs ended in which way."""
    known = [_known(status) for status in statuses]
    words = [f"{known.count(HELD):,} held", f"{known.count(VIOLATED):,} did not"]
    if count := known.count(UNFINISHED):
        words.append(f"{count:,} came to no end")
    if count := known.count(MISUSED):
        words.append(f"{count:,} could not be run")
    return f"{len(known):,} runs: {', '.join(words)}"


def _known(status: int) -> int:
    # A process that was killed has a status of its own.
    return status if status in _WORST_FIRST else UNFINISHED


def brought_to_end(run: Callable[[], int], directory: Path | None) -> int:
    """Run and return the exit status; of one that comes to no end, say why in one line.

    Args:
        run: returns the exit status if it comes to its end.
        directory: where it leaves its ledger and logs, if it does; gets the traceback.
    """
    try:
        return run()
    except Exception as error:
        is_kept = directory is not None and _keep_traceback(directory)
        kept = f"; ledger and logs are kept in {directory}" if directory is not None else ""
        print(f"the run came to no end: {_line(error)}{kept}", file=sys.stderr)
        if not is_kept:
            traceback.print_exc()
        return UNFINISHED
    except BaseException:
        if directory is not None:
            print(f"the run was stopped; ledger and logs are kept in {directory}", file=sys.stderr)
        raise


def _keep_traceback(directory: Path) -> bool:
    try:
        (directory / FAILURE).write_text(traceback.format_exc())
    except OSError:
        return False
    return True


def _line(error: Exception) -> str:
    """Return the first line of what an error says, and the last if there are more, as in a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = " ".join(lines[:1] + lines[1:][-1:])
    return f"{type(error).__name__}: {said}"[:_LONGEST].removesuffix(": ")
