"""Find the app or the job that a command line names: `module:attr`, or `path.py[:attr]`."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator
from inspect import unwrap
from pathlib import Path
from types import ModuleType
from typing import Any

from sidelong.app import Sidelong
from sidelong.client.job import Job
from sidelong.client.job_class import JobClass, job_of
from sidelong.errors import SettingSourceError


class TargetError(Exception):
    """TARGET does not lead to what it should; the message is one sentence for the operator."""


class FailedImportError(TargetError):
    """The user's own code failed while it was imported.

    Attributes:
        summary: the message without a word on where the traceback is.
        traceback: what it raised; empty if it ended the process.
    """

    def __init__(self, summary: str, traceback: str = "") -> None:
        super().__init__(f"{summary}, see the traceback above." if traceback else f"{summary}.")
        self.summary = summary
        self.traceback = traceback


def load_app(target: str) -> Sidelong:
    """Import what TARGET names and return the app in it.

    The current directory is importable, as it is for `python -m`.

    Args:
        target: `module:attr`, `module`, `path.py:attr` or `path.py`; without `attr` it must hold one app.

    Raises:
        TargetError: there is no such module, file or attribute, it is no app, or importing it failed.
        SettingSourceError: a setting outside the code, which an app reads when it is made, cannot work.
    """
    module, location, attribute = _import(target)
    return _named_app(module, location, attribute) if attribute else _only_app(module, location)


def is_target(text: str) -> bool:
    """Return whether `text` names something to import, rather than a job by its wire name, as `Shop::Charge` does."""
    _, colon, attribute = text.partition(":")
    return text.endswith(".py") or (bool(colon) and not attribute.startswith(":"))


def load_job(target: str, app: Sidelong | None = None) -> tuple[Sidelong, Job[..., Any]]:
    """Import what TARGET names and return the job there, after the app it belongs to.

    Args:
        target: `module:attr` or `path.py:attr`.
        app: the app it must belong to; without it, one is looked for in all modules that are loaded.

    Raises:
        TargetError: as in `load_app`; or it is no job of that app.
        SettingSourceError: as in `load_app`.
    """
    module, location, attribute = _import(target)
    if not attribute:
        raise TargetError(f"{target!r} names no job: write {location}:attr.")
    value = _attribute(module, location, attribute)
    if isinstance(value, Sidelong):
        raise TargetError(f"{target!r} is an app: name the job in it, or write --app {target} and the job's name.")
    if isinstance(value, type) and issubclass(value, JobClass):
        value = job_of(value)
    if not isinstance(value, Job):
        raise TargetError(f"{target!r} is not a job but a {type(value).__name__}: decorate it with @app.job.")
    for owner in [app] if app is not None else loaded_apps():
        # Another app may have another job of this name.
        if value.name in owner.registry and unwrap(owner.registry.get(value.name)) is unwrap(value):
            return owner, value
    raise TargetError(f"The app that {target!r} belongs to is not to be found: name it as in --app module:attr.")


def load_web_app(target: str, *, is_factory: bool) -> Any:
    """Import what TARGET names and return the ASGI application there.

    Args:
        target: `module:attr` or `path.py:attr`.
        is_factory: whether it is a function that returns the application.

    Raises:
        TargetError: as in `load_app`; or it is no ASGI application.
        SettingSourceError: as in `load_app`.
    """
    module, location, attribute = _import(target)
    if not attribute:
        raise TargetError(f"{target!r} names no web app: write {location}:attr.")
    value = _attribute(module, location, attribute, hint="")
    if isinstance(value, Sidelong):
        raise TargetError(f"{target!r} is a Sidelong app: the web app that enqueues is meant here.")
    if is_factory:
        if not callable(value):
            raise TargetError(f"{target!r} is no function, as --factory says.")
        try:
            value = value()
        except (Exception, SystemExit) as error:
            raise _failed_import(f"{target}()", error) from error
    if not callable(value):
        raise TargetError(f"{target!r} cannot be called, as a web app is: it is of the type {type(value).__name__}.")
    return value


def _import(target: str) -> tuple[ModuleType, str, str]:
    """Return the module that TARGET names, with what stands before and behind the colon."""
    location, _, attribute = target.partition(":")
    if not location:
        raise TargetError(f"{target!r} names no module: write module:attr or path.py:attr.")
    _make_importable(Path.cwd())
    module = _import_file(Path(location)) if location.endswith(".py") else _import_module(location)
    return module, location, attribute


def loaded_apps() -> Iterator[Sidelong]:
    """Yield the apps in all modules that are loaded, some of them more than once."""
    for module in list(sys.modules.values()):
        yield from _apps(module).values()


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
    except SettingSourceError:
        # What is wrong is not the user's code, and the sentence says where it is.
        raise
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
        if isinstance(error, SettingSourceError):
            raise
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


def _failed_import(name: str, error: BaseException) -> FailedImportError:
    if isinstance(error, SystemExit):
        return FailedImportError(f"{name!r} ended the process while it was imported (SystemExit: {error.code})")
    return FailedImportError(
        f"{name!r} cannot be imported: {type(error).__name__}",
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
    value = _attribute(module, location, attribute)
    if not isinstance(value, Sidelong):
        kind = type(value).__name__
        raise TargetError(f"{location}:{attribute} is not a Sidelong app but a {kind}{_others(module)}.")
    return value


def _attribute(module: ModuleType, location: str, attribute: str, hint: str | None = None) -> object:
    value: object = module
    for part in attribute.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            others = _others(module) if hint is None else hint
            raise TargetError(f"{location!r} has no {attribute!r}{others}.") from None
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


def _apps(module: ModuleType | None) -> dict[str, Sidelong]:
    # None stands for a module that must not be imported, and anything for one that libraries have put there.
    members = list(getattr(module, "__dict__", {}).items())
    # isinstance() would wake the lazy objects of others, such as Django's settings.
    return {name: value for name, value in members if issubclass(type(value), Sidelong)}
