"""A bar for what takes long, on stderr and only where a person looks at it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int], None]
"""Is told how much is done, and how much there is."""


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """Show a bar until the block ends.

    Args:
        what: what is going on, such as `Deleting`.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield _nobody_looks
        return
    # Imported late: most commands are over at once.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _nobody_looks(done: int, total: int) -> None:
    pass
