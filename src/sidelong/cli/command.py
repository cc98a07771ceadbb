"""Commands whose help says of a flag what it does, and not that it is a bool."""

from collections.abc import Iterable
from typing import Any

from typer.core import TyperCommand, TyperGroup


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
