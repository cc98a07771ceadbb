"""Checks the configuration files that pages show: each must be one that its program can read."""

import configparser
import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from tests.docs.pages import Block
from tests.support.redis_server import EXECUTABLE, free_port
from tests.support.server_required import require_server

_INSTRUCTIONS = {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "CMD", "ENTRYPOINT", "EXPOSE", "ARG", "STOPSIGNAL"}


def check(block: Block, directory: Path) -> None:
    """Read the block as its program would.

    Args:
        block: a fenced block in one of the languages of `LANGUAGES`.
        directory: where files may be written.

    Raises:
        Exception: it cannot be read.
    """
    _CHECKS[block.language](block, directory)


def _yaml(block: Block, directory: Path) -> None:
    assert all(document is not None for document in yaml.safe_load_all(block.text))


def _toml(block: Block, directory: Path) -> None:
    tomllib.loads(block.text)


def _json(block: Block, directory: Path) -> None:
    # A log is one object in each line.
    try:
        json.loads(block.text)
    except json.JSONDecodeError:
        for line in block.text.splitlines():
            json.loads(line)


def _unit(block: Block, directory: Path) -> None:
    """A systemd unit; where systemd is installed, it judges."""
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[method-assign,assignment]
    unit.read_string(block.text)
    name = Path(block.title).name
    if "Service" not in unit or not shutil.which("systemd-analyze"):
        return
    # It also looks for the program and the user, which are the reader's.
    text = re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", block.text)
    text = re.sub(r"(?m)^User=.*\n", "", text)
    path = directory / name.replace("@.", "@1.")
    path.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True)
    assert name.partition("@")[0] not in done.stderr, done.stderr


def _dockerfile(block: Block, directory: Path) -> None:
    lines = block.text.replace("\\\n", " ").splitlines()
    unknown = [line for line in lines if line and line.split()[0] not in _INSTRUCTIONS | {"#"}]
    assert not unknown
    for line in lines:
        if line.startswith(("CMD", "ENTRYPOINT")):
            # Anything else starts a shell, which keeps the signals to itself.
            assert isinstance(json.loads(line.partition(" ")[2]), list)


def _procfile(block: Block, directory: Path) -> None:
    assert all(re.fullmatch(r"[a-z_]+: \S.*", line) for line in block.text.splitlines())


def _redis(block: Block, directory: Path) -> None:
    """A `redis.conf`; a server is started with it."""
    require_server()
    path = directory / "redis.conf"
    path.write_text(block.text)
    server = subprocess.Popen(
        [EXECUTABLE, path, "--port", str(free_port()), "--dir", directory], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    with server, server.stdout as output:
        try:
            started = any("Ready to accept connections" in line for line in output)
        finally:
            server.terminate()
    assert started


_CHECKS: Mapping[str, Callable[[Block, Path], None]] = {
    "yaml": _yaml,
    "toml": _toml,
    "json": _json,
    "ini": _unit,
    "dockerfile": _dockerfile,
    "procfile": _procfile,
    "redis": _redis,
}

LANGUAGES = frozenset(_CHECKS)
"""Blocks in these languages can be checked."""
