import os
import sys

import pytest

# Loaded here, so that undoing the imports of a project leaves them alone.
import typer.rich_utils  # noqa: F401
from typer.testing import CliRunner

import sidelong.cli.config
import sidelong.cli.enqueue
import sidelong.cli.run  # noqa: F401
from sidelong.cli.main import cli

FOREIGN = ("REDIS_URL", "REDIS_PROVIDER", "APP_ENV", "DYNO", "QUEUE", "QUEUES", "COUNT")
"""What has a meaning without having our name."""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A directory to run the command in, with a `write` of its own; imports are undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    sys.dont_write_bytecode, kept = True, sys.dont_write_bytecode

    def write(path, text):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    yield write
    sys.dont_write_bytecode = kept
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def command(project, monkeypatch):
    """Runs the command inside this process, in the empty project and with no settings around."""
    for name in [*os.environ]:
        if name.startswith("SIDELONG_") or name in FOREIGN:
            monkeypatch.delenv(name)
    # What --config and --env set is undone with what the test sets.
    for name in ("SIDELONG_CONFIG", "SIDELONG_ENV"):
        monkeypatch.setenv(name, "")

    def run(*words, **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(cli, words, catch_exceptions=False)

    return run
