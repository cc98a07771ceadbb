"""Find the app that a command line names: `module:attr`, or `path.py[:attr]`."""

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from sidelong.app import Sidelong


class TargetError(Exception):
    """TARGET does not lead to an app; the message is one sentence for the operator.

    Attributes:
        traceback: what the user's own code raised while it was imported, if that is what went wrong.
    """

    def __init__(self, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.traceback = traceback


def load_app(target: str) -> Sidelong:
    """Import what TARGET names and return the app in it.

    The current directory is importable, as it is for `python -m`.

    Args:
        target: `module:attr`, `module`, `path.py:attr` or `path.py`; without `attr` it must hold one app.

    Raises:
        TargetError: there is no such module, file or attribute, it is no app, or importing it failed.
    """
    location, _, attribute = target.partition(":")
    if not location:
        raise TargetError(f"{target!r} names no module: write module:attr or path.py:attr.")
    _make_importable(Path.cwd())
    module = _import_file(Path(location)) if location.endswith(".py") else _import_module(location)
    return _named_app(module, location, attribute) if attribute else _only_app(module, location)


def _make_importable(directory: Path) -> None:
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))


def _import_module(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        hint = f"{name}.py" if Path(f"{name}.py").is_file() else "path.py"
        raise TargetError(f"{name!r} is not a module name; a file is named as in {hint}:attr.")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # A missing import inside the user's module is the user's traceback, not a wrong target.
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise TargetError(f"There is no module {error.name!r} in {Path.cwd()} or on the Python path.") from None
        raise _failed_import(name, error) from error
    except (Exception, SystemExit) as error:
        raise _failed_import(name, error) from error


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise TargetError(f"There is no file {str(path)!r} in {Path.cwd()}.")
    path = path.resolve()
    name, root = _module_name(path)
    # As `python path.py` does, so that the file finds its neighbours.
    _make_importable(root)
    known = sys.modules.get(name)
    if known is not None:
        origin = getattr(known, "__file__", None)
        if origin is not None and Path(origin).resolve() == path:
            return known
        raise TargetError(f"{path.name!r} cannot be imported, Python already has a module {name!r}: rename it.")
    if "." in name:
        return _import_module(name)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{str(path)!r} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _failed_import(path.name, error) from error
    return module


def _module_name(path: Path) -> tuple[str, Path]:
    """Return the name under which others import this file, and the directory that must be importable for it.

    A job's wire name starts with the module's name: a web app that enqueues and the worker must agree on it.
    """
    parts = [] if path.stem == "__init__" else [path.stem]
    root = path.parent
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    return ".".join(parts), root


def _failed_import(name: str, error: BaseException) -> TargetError:
    if isinstance(error, SystemExit):
        return TargetError(f"{name!r} ended the process while it was imported (SystemExit: {error.code}).")
    return TargetError(
        f"{name!r} cannot be imported: {type(error).__name__}, see the traceback above.",
        traceback="".join(traceback.format_exception(_without_import_frames(error))),
    )


def _without_import_frames(error: BaseException) -> BaseException:
    """Cut our own frames and importlib's off the top, so that the first line is the user's."""
    frame = error.__traceback__
    ours = (__file__, importlib.__file__)
    while frame is not None and (
        frame.tb_frame.f_code.co_filename in ours or "importlib._bootstrap" in frame.tb_frame.f_code.co_filename
    ):
        frame = frame.tb_next
    return error.with_traceback(frame)


def _named_app(module: ModuleType, location: str, attribute: str) -> Sidelong:
    value: object = module
    for part in attribute.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            raise TargetError(f"{location!r} has no {attribute!r}{_others(module)}.") from None
    if not isinstance(value, Sidelong):
        kind = type(value).__name__
        raise TargetError(f"{location}:{attribute} is not a Sidelong app but a {kind}{_others(module)}.")
    return value


def _only_app(module: ModuleType, location: str) -> Sidelong:
    apps = _apps(module)
    if not apps:
        raise TargetError(f"{location!r} holds no Sidelong app; a line like `app = Sidelong()` makes one.")
    if len(set(map(id, apps.values()))) > 1:
        choices = " or ".join(f"{location}:{name}" for name in apps)
        raise TargetError(f"{location!r} holds several Sidelong apps: write {choices}.")
    return next(iter(apps.values()))


def _others(module: ModuleType) -> str:
    names = ", ".join(_apps(module))
    return f"; its Sidelong apps: {names}" if names else ""


def _apps(module: ModuleType) -> dict[str, Sidelong]:
    return {name: value for name, value in vars(module).items() if isinstance(value, Sidelong)}
