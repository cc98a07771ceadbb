"""Reads the fenced blocks of a Markdown page and runs them as a reader would, in a directory of their own."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.eventually import eventually_sync
from tests.support.redis_server import Database

CHECKOUT = Path(__file__).parents[2]
PAGES = [CHECKOUT / "README.md", *sorted(CHECKOUT.glob("docs/**/*.md"))]

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE_NAME = re.compile(r"\A# (\S+\.py)$", re.MULTILINE)
_SHELLS = {"sh", "bash", "shell", "console"}
# The environment that these make or enter is the one the tests run in.
_PREPARATIONS = (". .venv/bin/activate", "pip install ")
_SERVICES = ("sidelong run", "uvicorn")
_WAITING_KEYS = ("schedule", "retry", "queue:*", "sidelong:inflight:*")
_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


@dataclass(frozen=True)
class Block:
    """One fenced block: its language and its text."""

    language: str
    text: str


def read_blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    return [Block(*match) for match in _FENCE.findall(page.read_text())]


def read_commands(block: Block) -> list[str]:
    """Return the commands of a shell block: continued lines joined, comments and prompts left out."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line for line in lines if line.startswith("$ ")]
    return [line.removeprefix("$ ").strip() for line in lines if line.strip() and not line.startswith("#")]


def read_links(page: Path) -> list[str]:
    """Return where a page links to within the repository."""
    return [target for target in _LINK.findall(page.read_text()) if "://" not in target]


class Reader:
    """Does what a page says, one block after the other; a failure names the block.

    Attributes:
        output: what all commands have printed.
    """

    def __init__(self, workspace: Path, database: Database, port: int) -> None:
        self.output = ""
        self._workspace = workspace
        self._database = database
        self._port = port
        self._snippets = 0
        self._environment = {
            **{name: value for name, value in os.environ.items() if name != "SIDELONG_REDIS_URL"},
            "REDIS_URL": database.url,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        }

    def follow(self, page: Path) -> None:
        """Run every Python snippet and every command of the page."""
        for block in read_blocks(page):
            if block.language == "python":
                self._run_snippet(block.text)
            elif block.language in _SHELLS:
                for command in read_commands(block):
                    self._run_command(command)

    def _run_snippet(self, text: str) -> None:
        """Import a snippet that names its file, as later ones build on it; run any other one."""
        self._snippets += 1
        named = _FILE_NAME.match(text)
        path = self._workspace / (named[1] if named else f"snippet_{self._snippets}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if named:
            self._run([sys.executable, "-c", f"import {'.'.join(Path(named[1]).with_suffix('').parts)}"])
        else:
            self._run([sys.executable, str(path)])

    def _run_command(self, command: str) -> None:
        # A new virtual environment for every run of the suite would cost minutes: `.ci/run` does it.
        runnable = command.rpartition(" && ")[2] if ".venv/bin/pip install" in command else command
        runnable = runnable.replace(".venv/bin/", "")
        if command.startswith(_PREPARATIONS):
            return
        if "pytest" in runnable:
            # The suite is running already: that the tests are found is what can be seen from within.
            self._run(["sh", "-c", f"{runnable} --collect-only -q"], directory=CHECKOUT)
        elif "benchmarks" in runnable:
            self._run(["sh", "-c", f"{runnable} --help"], directory=CHECKOUT)
        elif runnable.startswith(_SERVICES):
            self._run_service(runnable)
        else:
            self._run(["sh", "-c", runnable])

    def _run(self, words: list[str], directory: Path | None = None) -> None:
        done = subprocess.run(
            words,
            cwd=directory or self._workspace,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=90,
        )
        self.output += done.stdout
        assert done.returncode == 0, f"{words[-1]} ended with status {done.returncode}:\n{done.stdout}"

    def _run_service(self, command: str) -> None:
        """Start what runs until it is stopped, let it do all jobs, stop it."""
        if command.startswith("uvicorn"):
            command = f"{command} --port {self._port}"
        log = self._workspace / "service.log"
        with log.open("w") as output:
            service = subprocess.Popen(
                ["sh", "-c", f"exec {command}"],
                cwd=self._workspace,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                eventually_sync(lambda: service.poll() is not None or self._has_done_all_jobs(), within=30)
                assert service.poll() is None, f"{command} ended early:\n{log.read_text()}"
                service.send_signal(signal.SIGTERM)
                status = service.wait(timeout=30)
            finally:
                if service.poll() is None:
                    service.kill()
                    service.wait()
        text = log.read_text()
        self.output += text
        # uvicorn shuts down in order, then ends itself by the signal that asked for it.
        assert status in (0, -signal.SIGTERM if command.startswith("uvicorn") else 0), text
        assert "Traceback" not in text, text

    def _has_done_all_jobs(self) -> bool:
        with self._database.client() as client:
            return client.scard("processes") > 0 and not any(map(client.keys, _WAITING_KEYS))
