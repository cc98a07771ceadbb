"""`sidelong new project`: a FastAPI app with jobs, and what it takes to run it."""

import importlib.metadata
import os
import re
from pathlib import Path
from typing import Final

from sidelong.cli.new.files import NewFile
from sidelong.cli.new.modules import refuse_hiding, refuse_names
from sidelong.cli.new.templates import filled_tree
from sidelong.errors import ConfigurationError

_NAME: Final = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_IGNORED: Final = {"build", "dist"}
"""In the project's .gitignore, which what builds a distribution heeds as well."""


def plan_project(name: str) -> list[NewFile]:
    """Return the files of a new project, in a directory of its name.

    Raises:
        ConfigurationError: the name will not do, or there is such a directory.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"{name!r} cannot be the name of a project: use small letters, digits and dashes")
    package = name.replace("-", "_")
    refuse_names([package])
    if os.path.lexists(name):
        raise ConfigurationError(f"{name} is there already, and nothing was made")
    if package in _IGNORED:
        raise ConfigurationError(f"{package!r} cannot be the name of a project: git ignores such a directory")
    refuse_hiding(package)
    values = {"name": name, "package": package, "version": importlib.metadata.version("sidelong")}
    return [NewFile(Path(name) / path, text) for path, text in filled_tree("project", values)]
