"""Which files matter: a change in one of them may change what the code does."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

_SETTINGS: Final = ("sidelong.toml", "pyproject.toml")
_BUILT: Final = ("build", "dist")
_FOREIGN: Final = ("__pycache__", "node_modules", "site-packages", "venv")
_ENVIRONMENT: Final = "pyvenv.cfg"


class Watched:
    """Tells what matters in some directories.

    Args:
        directories: which, with all below them.
        settings_file: one that may lie elsewhere.
    """

    def __init__(self, directories: Sequence[Path], settings_file: Path | None = None) -> None:
        self.directories = tuple(dict.fromkeys(directory.resolve() for directory in directories))
        self.settings_file = None if settings_file is None else settings_file.resolve()

    def concerns(self, path: Path) -> bool:
        """Tell whether a change of a file matters: of Python code that is the project's own, or of settings."""
        if path == self.settings_file:
            return True
        # Hidden files are what editors write beside a file; `.venv`, `.git` and most caches are hidden as well.
        if path.name.startswith(".") or not (path.suffix == ".py" or path.name in _SETTINGS):
            return False
        return any(
            path.is_relative_to(root) and not any(map(_is_foreign, _between(root, path))) for root in self.directories
        )

    def __str__(self) -> str:
        return ", ".join(map(shown_path, self.directories))


def shown_path(path: Path) -> str:
    """Return how a person here calls a path."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return str(path)
    if path == here:
        return str(here)
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _between(root: Path, path: Path) -> list[Path]:
    """Return the directories below `root` in which a file lies; those above it may be called anything."""
    return [parent for parent in path.parents if parent != root and parent.is_relative_to(root)]


@lru_cache(maxsize=10_000)
def _is_foreign(directory: Path) -> bool:
    """Tell whether what lies in a directory is not written by hand."""
    name = directory.name
    if name.startswith(".") or name in _FOREIGN or name.endswith(".egg-info"):
        return True
    if name in _BUILT:
        return not (directory / "__init__.py").is_file()
    return (directory / _ENVIRONMENT).is_file()
