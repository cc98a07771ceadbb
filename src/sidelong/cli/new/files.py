"""Files that are made: all of them or, if one is in the way, none."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sidelong.cli.exit_status import ExitStatus
from sidelong.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be made.

    Attributes:
        path: where, from the current directory.
        text: what it holds.
    """

    path: Path
    text: str


def write_files(plan: Callable[[], Sequence[NewFile]], *, overwrites: bool) -> ExitStatus:
    """Make files, print the path of each, and return the exit status.

    Args:
        plan: says which, or raises ConfigurationError.
        overwrites: whether files that are there are replaced; otherwise none is made.
    """
    try:
        files = plan()
        present = {file.path for file in files if os.path.lexists(file.path)}
        if present and not overwrites:
            raise ConfigurationError(
                f"{min(present)} is there already, and nothing was made: --force overwrites what is there"
            )
        for file in files:
            file.path.parent.mkdir(parents=True, exist_ok=True)
            # "x": it may have come meanwhile.
            with file.path.open("w" if overwrites else "x", encoding="utf-8") as stream:
                stream.write(file.text)
            sys.stdout.write(f"{'overwrote' if file.path in present else 'created'} {file.path}\n")
    except ConfigurationError as error:
        return _failed(str(error), ExitStatus.MISUSED)
    except OSError as error:
        return _failed(f"{error.filename} cannot be written: {error.strerror}", ExitStatus.FAILED)
    return ExitStatus.DONE


def _failed(sentence: str, status: ExitStatus) -> ExitStatus:
    sys.stderr.write(f"sidelong: {sentence}\n")
    return status
