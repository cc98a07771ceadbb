"""Options that several commands take together, each group stated once as a dataclass.

The work behind them is imported late: `sidelong --help` needs no engine.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from sidelong.cli import flags

if TYPE_CHECKING:
    from sidelong.api import Filter
    from sidelong.cli.operator.selection import Selection
    from sidelong.cli.operator.site import Work


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command as typer can read it: each field of its groups is a parameter of its own.

    Args:
        command: a parameter that is annotated with a dataclass is given one made of what was typed.
    """
    groups: dict[str, Any] = {}
    shown: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        group = parameter.annotation
        if is_dataclass(group):
            groups[parameter.name] = group
            shown += [
                inspect.Parameter(
                    each.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=inspect.Parameter.empty if each.default is MISSING else each.default,
                    annotation=each.type,
                )
                for each in fields(group)
            ]
        else:
            shown.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def grouped(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{each.name: values.pop(each.name) for each in fields(group)})
        command(**values)

    readable: Any = grouped
    readable.__signature__ = inspect.Signature(shown)
    readable.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return grouped


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Which Redis a command is for, as far as no app says it; the settings say the rest.

    Attributes:
        redis: a URL, which beats all else.
        config_file: the settings file.
        environment: its section.
    """

    redis: flags.Redis = None
    config_file: flags.ConfigFile = None
    environment: flags.Environment = None

    def with_app(self, target: str) -> "Site":
        """Return the same with an app."""
        return Site(redis=self.redis, config_file=self.config_file, environment=self.environment, app=target)


@dataclass(frozen=True, kw_only=True)
class Site(Surroundings):
    """Which Redis a command is for.

    Attributes:
        app: the app whose Redis it is, and whose jobs are known.
    """

    app: flags.App = None

    def run(self, work: "Work") -> NoReturn:
        """Do the work of a command there, and end with its exit status."""
        from sidelong.cli.operator.site import run_at

        raise typer.Exit(run_at(self, work))


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What jobs must match."""

    job_class: flags.JobClass = None
    queue: flags.OfQueue = None
    tag: flags.WithTag = None
    error_class: flags.ErrorClass = None
    text: flags.Text = None

    def filter(self) -> "Filter | None":
        """Return it as a filter; None if they need not match anything."""
        from sidelong.cli.operator.places import read_filter

        return read_filter(self.job_class, self.queue, self.tag, self.error_class, self.text)


@dataclass(frozen=True, kw_only=True)
class Chosen(Wanted):
    """Which jobs are meant, and how sure that is."""

    jids: flags.Jids = None
    place: flags.FromPlace = None
    is_all: flags.AllOfThem = False
    is_dry: flags.DryRun = False
    is_confirmed: flags.Yes = False

    def selection(self) -> "Selection":
        """Return which jobs are meant."""
        from sidelong.cli.operator.selection import read_selection

        return read_selection(self.jids or (), self.place, self.filter(), self.is_all)
