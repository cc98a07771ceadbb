"""`sidelong new job`: a job that is still to be written, and its test."""

from pathlib import Path
from typing import Final

from sidelong.cli.new.files import NewFile
from sidelong.cli.new.modules import (
    find_app,
    has_init,
    is_inside_package,
    is_package,
    module_parts,
    refuse_hiding,
    refuse_names,
)
from sidelong.cli.new.templates import filled
from sidelong.core.options import check_queue_name
from sidelong.errors import ConfigurationError

_TESTS: Final = Path("tests")
_USED_BY_TESTS: Final = {"asyncio", "pytest"}


def plan_job(path: str, *, queue: str | None, app: str | None) -> list[NewFile]:
    """Return the files of a new job.

    Args:
        path: directories and the name, parted by `/`.
        queue: its queue; None for that of the app's jobs.
        app: `module:attr` of its app; None to look for it.

    Raises:
        ConfigurationError: one of them will not do, or a template cannot be filled in.
    """
    if queue is not None:
        check_queue_name(queue)
    file = Path(f"{path.removesuffix('.py')}.py")
    if file.is_absolute() or ".." in file.parts or path.endswith("/"):
        raise ConfigurationError(f"{path!r} must be a path below the current directory, as in shop/jobs/charge")
    if is_inside_package():
        raise ConfigurationError(
            "this directory is itself a package: say it in the one above, with the package in the path"
        )
    parts = module_parts(file)
    refuse_names(parts)
    if _is_new(file, parts):
        refuse_hiding(parts[0])
    app_module, app_name = _read_app(app) if app is not None else find_app(file.parent)
    if file.stem == app_name:
        raise ConfigurationError(f"the job cannot be called {app_name!r}, as its app is called so")
    if file.stem in _USED_BY_TESTS:
        raise ConfigurationError(f"the job cannot be called {file.stem!r}, as its test uses a module of this name")
    values = {
        "name": file.stem,
        "module": ".".join(parts),
        "app": app_name,
        "app_module": app_module,
        "queue": queue or "",
        "options": "" if queue is None else f'(queue="{queue}")',
    }
    test = _test_of(parts)
    return [
        *_packages(file.parent),
        NewFile(file, filled("job.py", values)),
        # Where tests are no packages, a new one would be a package of another name.
        *(_packages(test.parent) if has_init(_TESTS) else ()),
        NewFile(test, filled("test_job.py", values)),
    ]


def _test_of(parts: list[str]) -> Path:
    directory = _TESTS.joinpath(*parts[1:-1])
    test = directory / f"test_{parts[-1]}.py"
    if test.exists() or has_init(_TESTS) or not any(_TESTS.rglob(test.name)):
        return test
    # Two files of one name in directories that are no packages are one module to pytest, which refuses the second.
    return directory / f"test_{'_'.join(parts)}.py"


def _read_app(text: str) -> tuple[str, str]:
    module, _, name = text.partition(":")
    if not name:
        raise ConfigurationError(f"--app must be module:attr, as in shop.app:app, not {text!r}")
    refuse_names([*module.split("."), name])
    return module, name


def _is_new(file: Path, parts: list[str]) -> bool:
    """Tell whether the first part of a module's name is that of a package, or a module, which is still to be made."""
    outermost = (file, *file.parents)[len(parts) - 1]
    return not outermost.exists()


def _packages(directory: Path) -> list[NewFile]:
    """Return what makes packages of the directories that are none yet."""
    missing = [each for each in (directory, *directory.parents) if is_package(each) and not has_init(each)]
    return [NewFile(each / "__init__.py", "") for each in reversed(missing)]
