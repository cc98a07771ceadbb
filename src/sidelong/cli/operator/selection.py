"""Which jobs a verb is for: those with certain ids, or those in one place that match."""

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sidelong.api import Filter
from sidelong.app import Sidelong
from sidelong.cli.operator.output import tell
from sidelong.cli.operator.places import Kind, Place, jobs, read_place, size
from sidelong.cli.operator.progress import progress_bar
from sidelong.cli.operator.site import MisuseError
from sidelong.core.counted import counted
from sidelong.core.display import shown


@dataclass(frozen=True)
class Selection:
    """What the command line says of the jobs.

    Attributes:
        jids: their ids.
        place: where they are; None for wherever that may be.
        where: what they must match.
        is_all: whether all jobs of the place are meant.
    """

    jids: Sequence[str]
    place: Place | None
    where: Filter | None
    is_all: bool

    def check(self, verb: str, places: Sequence[Kind]) -> None:
        """Refuse what is not clear, or not possible.

        Args:
            verb: what is to be done, such as `kill`.
            places: the kinds of places in which that can be done.

        Raises:
            MisuseError: with what to write instead.
        """
        if self.place is not None and self.place.kind not in places:
            possible = ", ".join("queues" if kind == "queue" else Place(kind).name for kind in places)
            raise MisuseError(f"{verb} works on {possible}; not on {shown(self.place.name)}")
        if self.jids:
            if self.where is not None or self.is_all:
                raise MisuseError("give ids of jobs or say which are meant, not both")
            return
        if self.place is None:
            raise MisuseError("give ids of jobs, or --from PLACE with what the jobs there must match")
        if (self.where is None) != self.is_all:
            raise MisuseError("say which jobs are meant, by --class, --tag and so on, or by --all")

    async def count(self, app: Sidelong) -> int:
        """Return how many jobs match at this moment."""
        assert self.place is not None
        total = await size(app, self.place)
        if self.where is None:
            return total
        number = 0
        with progress_bar("Counting") as progress:
            async for _ in jobs(app, self.place, self.where):
                number += 1
                progress(number, max(total, number))
        return number


def read_selection(jids: Sequence[str], place: str | None, where: Filter | None, is_all: bool) -> Selection:
    """Return what the command line says; `Selection.check` judges it."""
    return Selection(jids, None if place is None else read_place(place), where, is_all)


def confirm(question: str) -> bool:
    """Ask a person; where nobody can answer, refuse.

    Args:
        question: without the question mark.

    Raises:
        MisuseError: there is no terminal.
    """
    if sys.stdin is None or not sys.stdin.isatty() or sys.stderr is None or not sys.stderr.isatty():
        raise MisuseError("nobody is here to confirm it: write --yes")
    with _interrupted_at_once():
        sys.stderr.write(f"{question}? [y/N] ")
        sys.stderr.flush()
        answer = sys.stdin.readline()
    if answer.strip().lower() in ("y", "yes"):
        return True
    tell("nothing was changed")
    return False


@contextmanager
def _interrupted_at_once() -> Iterator[None]:
    """Let Ctrl-C end the wait for a line, which the event loop would only hear of when it is over."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        tell("nothing was changed")
        raise
    finally:
        signal.signal(signal.SIGINT, before)


def jobs_text(number: int, selection: Selection) -> str:
    """Return how many jobs are meant, and where."""
    where = "" if selection.place is None else f" in {shown(selection.place.name)}"
    which = "" if selection.where is None else " that matches" if number == 1 else " that match"
    return f"{counted(number, 'job')}{which}{where}"
