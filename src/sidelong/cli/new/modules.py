"""Where modules and apps are, found by looking at files: what is half written cannot be imported."""

import keyword
import re
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

from sidelong.errors import ConfigurationError

_APP: Final = re.compile(r"^(\w+)(?:\s*:\s*[\w.\"']+)?\s*=\s*(?:sidelong\.)?Sidelong\(", re.MULTILINE)
_INIT: Final = "__init__.py"
_NEEDED: Final = {"fastapi", "httpx", "pytest", "tests", "uvicorn"}
"""What a project needs, installed or not."""


def is_package(directory: Path) -> bool:
    """Tell whether a directory is a package, or becomes one: if it is missing, or lies in a package."""
    if directory == Path():
        return False
    return not directory.exists() or has_init(directory) or is_package(directory.parent)


def has_init(directory: Path) -> bool:
    """Tell whether a directory has what makes it a package; the current one has a name that nobody imports."""
    return directory != Path() and (directory / _INIT).is_file()


def is_inside_package() -> bool:
    """Tell whether the current directory is a package: what is in it has a name that begins further up."""
    return Path(_INIT).is_file()


def module_parts(file: Path) -> list[str]:
    """Return the parts of the name under which a file is imported: those of the packages around it, and its own."""
    parts = [] if file.name == _INIT else [file.stem]
    directory = file.parent
    while is_package(directory):
        parts.insert(0, directory.name)
        directory = directory.parent
    return parts


def refuse_names(parts: list[str]) -> None:
    """Refuse what cannot be written in an import.

    Raises:
        ConfigurationError: a part cannot.
    """
    for part in parts:
        if not part.isidentifier() or keyword.iskeyword(part):
            raise ConfigurationError(f"{part!r} cannot be the name of a module: use letters, digits and underscores")


def refuse_hiding(name: str) -> None:
    """Refuse a new module that would be imported in the place of another.

    Raises:
        ConfigurationError: there is one of this name.
    """
    spec = PathFinder.find_spec(name)
    # A directory without any module has no origin, and hides nothing.
    is_installed = spec is not None and spec.origin is not None
    if is_installed or name in sys.stdlib_module_names or name in _NEEDED:
        raise ConfigurationError(f"there is a module {name!r} already, which it would hide: choose another name")


def find_app(directory: Path) -> tuple[str, str]:
    """Return the module of the app in a directory, or in the nearest one above that has one, and its name there.

    Raises:
        ConfigurationError: there is none, or several.
    """
    for place in (directory, *directory.parents):
        found = list(_apps(place))
        if len(found) == 1:
            return found[0]
        if found:
            choices = " or ".join(f"--app {module}:{name}" for module, name in found)
            raise ConfigurationError(f"there are several apps in {place}: write {choices}")
    raise ConfigurationError(
        f"no app was found in {directory} or above: name it, as in --app shop.app:app"
        " (a line like `app = Sidelong()` makes one)"
    )


def _apps(directory: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(directory.glob("*.py")):
        if not file.name.startswith(("test_", "conftest")):
            for name in _APP.findall(file.read_text(encoding="utf-8", errors="replace")):
                yield ".".join(module_parts(file)), name
