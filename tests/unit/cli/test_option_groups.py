"""Options that many commands share are stated once, and each command has them."""

from typing import Annotated

import pytest
import typer
import typer.main
from typer.testing import CliRunner

from sidelong.cli import looking, steering
from sidelong.cli.main import cli
from sidelong.cli.option_groups import Site, Wanted, with_groups

COMMANDS = [command.__name__.replace("_", "-") for command in (*looking.COMMANDS, *steering.COMMANDS)]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_that_looks_or_steers_can_be_told_which_redis(name):
    group = typer.main.get_command(cli)
    flags = {flag for parameter in group.commands[name].params for flag in parameter.opts}

    assert {"--redis", "--config", "--env", "-e"} <= flags
    # That of `check` is its target.
    assert ("--app" in flags) == (name != "check")


def test_the_values_of_a_group_come_as_one():
    given = []
    made = typer.Typer()

    @made.command()
    @with_groups
    def show(
        place: Annotated[str, typer.Argument()],
        wanted: Wanted,
        limit: Annotated[int, typer.Option("--limit")] = 20,
        *,
        site: Site,
    ) -> None:
        given.append((place, wanted, limit, site))

    words = ["retry", "--class", "Job", "--limit", "3", "--redis", "redis://x", "--env", "staging"]
    assert CliRunner().invoke(made, words, catch_exceptions=False).exit_code == 0
    assert given == [("retry", Wanted(job_class="Job"), 3, Site(redis="redis://x", environment="staging"))]
