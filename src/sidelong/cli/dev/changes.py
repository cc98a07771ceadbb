"""The files that have changed, as far as they matter."""

import asyncio
import logging
from pathlib import Path
from typing import Final

from sidelong.cli.dev.watched import Watched, shown_path

logger = logging.getLogger("sidelong.cli")

_STEP: Final = 50
"""Milliseconds without a further change after which those that came are told: an editor makes several of one."""


class Changes:
    """Collects changes until somebody takes them.

    Args:
        watched: what matters.

    Attributes:
        watched: see above.
        begun: set once all changes that come are seen.
    """

    def __init__(self, watched: Watched) -> None:
        self.watched = watched
        self.begun = asyncio.Event()
        self._paths: dict[Path, None] = {}
        self._came = asyncio.Event()

    async def watch(self) -> None:
        """Collect until this is cancelled; where the system refuses, say so, and collect nothing."""
        # It counts all changes, also those that do not matter.
        logging.getLogger("watchfiles").setLevel(logging.WARNING)
        watches = [self._watch(*self.watched.directories)]
        file = self.watched.settings_file
        if file is not None and not any(file.is_relative_to(each) for each in self.watched.directories):
            # Its directory, for an editor replaces a file by another one; and nothing below it.
            watches.append(self._watch(file.parent, is_deep=False))
        tasks = asyncio.gather(*watches)
        # Each of them asks the system in its first step.
        await asyncio.sleep(0)
        self.begun.set()
        await tasks

    async def wait(self) -> None:
        """Wait until something has changed."""
        await self._came.wait()

    def take(self) -> list[str]:
        """Return the paths that have changed since this was last called."""
        paths, self._paths = sorted(map(shown_path, self._paths)), {}
        self._came.clear()
        return paths

    async def _watch(self, *directories: Path, is_deep: bool = True) -> None:
        import watchfiles

        def concerns(change: watchfiles.Change, path: str) -> bool:
            return self.watched.concerns(Path(path))

        try:
            async for changes in watchfiles.awatch(
                *directories, watch_filter=concerns, step=_STEP, recursive=is_deep, ignore_permission_denied=True
            ):
                self._paths |= {Path(path): None for _, path in changes}
                self._came.set()
        # The second is what watchfiles raises for what it cannot name.
        except (OSError, RuntimeError) as error:
            where = ", ".join(map(shown_path, directories))
            logger.error("%s cannot be watched, so changes there go unseen: %s", where, error)
