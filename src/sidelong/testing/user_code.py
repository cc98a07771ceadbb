"""Which code is the user's own: the code whose awaits a job can be broken off at."""

import os
import sys
import sysconfig
from pathlib import Path
from types import CodeType
from typing import Final

_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
_NOT_THEIRS: Final = (
    "<frozen ",
    "<sidelong",
    *(
        f"{place}{os.sep}"
        for place in (
            sysconfig.get_path("stdlib"),
            sysconfig.get_path("platstdlib"),
            str(Path(__file__).parents[1]),
        )
    ),
)


class UserCode:
    """Tells the code of an application from that of libraries.

    Args:
        module: name of a module of the application. Its package counts as the user's, even if it is installed
            beside the libraries.
    """

    def __init__(self, module: str) -> None:
        self._own = _places(module.partition(".")[0])
        self._known: dict[str, bool] = {}

    def has(self, code: CodeType) -> bool:
        """Tell whether code is the user's."""
        name = code.co_filename
        if name not in self._known:
            self._known[name] = name.startswith(self._own) or not _is_of_library(name)
        return self._known[name]


def _places(package: str) -> tuple[str, ...]:
    """Return what the file names of a package, or of a single module, begin with."""
    module = sys.modules.get(package)
    if module is None:
        return ()
    if path := getattr(module, "__path__", None):
        return tuple(f"{place}{os.sep}" for place in path)
    file = getattr(module, "__file__", None)
    return (file,) if file else ()


def _is_of_library(name: str) -> bool:
    return name.startswith(_NOT_THEIRS) or not _INSTALLED.isdisjoint(Path(name).parts)
