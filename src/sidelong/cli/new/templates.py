"""The templates of what is made: texts with `$name` in them, ours or the project's own."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from typing import Final

from sidelong.errors import ConfigurationError

OWN_TEMPLATES: Final = Path(".sidelong", "templates")
"""Where a project keeps its own, from the current directory."""
_ENDING: Final = ".tmpl"


def filled(name: str, values: Mapping[str, str]) -> str:
    """Return the text of a template, the project's own if it has one.

    Args:
        name: the file that it is for, such as `job.py`.
        values: what may be put in.

    Raises:
        ConfigurationError: it cannot be read or filled in.
    """
    own = OWN_TEMPLATES / f"{name}{_ENDING}"
    try:
        text = own.read_text(encoding="utf-8")
    except FileNotFoundError:
        return _fill_in(name, _ours().joinpath(f"{name}{_ENDING}").read_text(encoding="utf-8"), values)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"the template {own} cannot be read: {error}") from None
    return _fill_in(str(own), text, values)


def filled_tree(name: str, values: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Yield path and text of each file of a directory of templates; NAME in a path stands for $name, and so on."""
    for path, text in sorted(_texts(_ours().joinpath(name), Path())):
        yield Path(*(_path_part(part, values) for part in path.parts)), _fill_in(str(path), text, values)


def _ours() -> Traversable:
    return files("sidelong.cli.new").joinpath("templates")


def _texts(directory: Traversable, path: Path) -> Iterator[tuple[Path, str]]:
    for each in directory.iterdir():
        if each.is_dir():
            yield from _texts(each, path / each.name)
        elif each.name.endswith(_ENDING):
            yield path / each.name.removesuffix(_ENDING), each.read_text(encoding="utf-8")


def _path_part(part: str, values: Mapping[str, str]) -> str:
    # Files that begin with a dot have a meaning where the templates are, too.
    part = f".{part.removeprefix('dot-')}" if part.startswith("dot-") else part
    for name, value in values.items():
        part = part.replace(name.upper(), value)
    return part


def _fill_in(name: str, text: str, values: Mapping[str, str]) -> str:
    try:
        return Template(text).substitute(values)
    except KeyError as error:
        known = ", ".join(f"${each}" for each in values)
        raise ConfigurationError(f"the template {name} asks for ${error.args[0]}; there are {known}") from None
    except ValueError as error:
        raise ConfigurationError(f"the template {name} cannot be filled in: {error} ($$ is a dollar sign)") from None
