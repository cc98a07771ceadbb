"""Commands whose help says what a flag does and what an argument is, and not that they are a bool and a str."""

from collections.abc import Iterable
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup


class Command(TyperCommand):
    """One command."""

    def format_help(self, *args: Any, **kwargs: Any) -> None:
        """Write the help."""
        _leave_out_types(self.get_params(args[0]))
        super().format_help(*args, **kwargs)


class Group(TyperGroup):
    """The command that holds the others."""

    def format_help(self, *args: Any, **kwargs: Any) -> None:
        """Write the help."""
        _leave_out_types(self.get_params(args[0]))
        super().format_help(*args, **kwargs)


def _leave_out_types(parameters: Iterable[Any]) -> None:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
        elif isinstance(parameter, TyperArgument):
            argument: Any = parameter
            argument.display_type_rich = _no_type


def _no_type(**_: Any) -> None:
    """Return no type."""
