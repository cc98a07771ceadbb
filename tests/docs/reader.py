"""Does what a page says as a reader would, in a directory of its own.

What a page may ask of its reader:

- A `python` block that begins with the comment `# name.py` is a file, and is imported; any other one is run as it is.
  One titled "Read by ..." needs a program that sets things up before it can be imported, so it is only written down.
- The commands of an `sh` block are run one after the other. `sidelong run`, `sidelong dev`, `uvicorn` and
  `python -m shop` go on until all jobs are done, and are then stopped.
- `pytest` runs the tests of the page, or of the directory it has gone to; the suite of the checkout is only collected.
- `cd` leads into a copy of a directory of the checkout.
- A block titled "Another terminal" is run while what was started before it goes on.
- The lines of a `text` block titled "Output" must be among those that the page's programs have printed.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.docs.http import answers, require_curl
from tests.docs.pages import CHECKOUT, Block, read_blocks, read_commands
from tests.support.eventually import eventually_sync
from tests.support.redis_server import Database, free_port

_FILE_NAME = re.compile(r"\A# (\S+\.py)$", re.MULTILINE)
# The environment that these make or enter is the one the tests run in.
_PREPARATIONS = (". .venv/bin/activate", "pip install ")
_SERVERS = ("uvicorn", "python -m shop")
_DEV = "sidelong dev"
_SERVICES = ("sidelong run", _DEV, *_SERVERS)
# A reader has not all that the suite has, which take longer to load than the tests of a page to run.
_PLUGINS = "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTEST_PLUGINS=pytest_sidelong,anyio.pytest_plugin"
_WAITING_KEYS = ("schedule", "retry", "queue:*", "sidelong:inflight:*")
# The port of a page's own server; those of its neighbours follow it.
_DOCUMENTED_ADDRESS = re.compile(r"\blocalhost:800(\d)\b")


@dataclass(frozen=True)
class Service:
    """A program that runs until it is stopped.

    Attributes:
        command: as the page has it.
        process: the running program.
        log: what it prints.
    """

    command: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def is_server(self) -> bool:
        """Whether it answers HTTP."""
        return _is_one_of(_SERVERS, self.command) or (_is_one_of((_DEV,), self.command) and " --app " in self.command)


class Reader:
    """Does what a page says, one block after the other; a failure names the block.

    Attributes:
        output: what all commands have printed.
    """

    def __init__(self, workspace: Path, database: Database, port: int) -> None:
        self.output = ""
        self._workspace = workspace
        self._directory = workspace
        self._database = database
        self._port = port
        self._snippets = 0
        self._services: list[Service] = []
        self._environment = {
            **{name: value for name, value in os.environ.items() if name != "SIDELONG_REDIS_URL"},
            "REDIS_URL": database.url,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "SHOP_PORT": str(port),
        }

    def follow(self, page: Path) -> None:
        """Run every Python snippet and every command of the page, and look for the output it shows."""
        blocks = read_blocks(page)
        try:
            for block in blocks:
                if block.language == "python":
                    self._run_snippet(block)
                elif block.is_shell:
                    self._run_commands(block)
            self._finish_services()
        finally:
            self._kill_services()
        shown = [line for block in blocks if block.title == "Output" for line in block.text.splitlines()]
        for line in shown:
            assert line in self.output, f"{page.name} shows {line!r}, which is not among:\n{self.output}"

    def _run_snippet(self, block: Block) -> None:
        """Import a snippet that names its file, as later ones build on it; run any other one."""
        self._snippets += 1
        named = _FILE_NAME.match(block.text)
        path = self._workspace / (named[1] if named else f"snippet_{self._snippets}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
        if block.is_foreign or block.is_read_by_others:
            compile(block.text, path.name, "exec")
        elif named:
            self._run([sys.executable, "-c", f"import {'.'.join(Path(named[1]).with_suffix('').parts)}"])
        else:
            self._run([sys.executable, str(path)])

    def _run_commands(self, block: Block) -> None:
        if not block.is_meanwhile:
            self._finish_services()
        for command in read_commands(block):
            # What follows a service in the same terminal is typed once it has ended.
            if not block.is_meanwhile:
                self._finish_services()
            self._run_command(command)

    def _run_command(self, command: str) -> None:
        # A new virtual environment for every run of the suite would cost minutes: `.ci/run` does it.
        runnable = command.rpartition(" && ")[2] if ".venv/bin/pip install" in command else command
        runnable = runnable.replace(".venv/bin/", "")
        if command.startswith(_PREPARATIONS):
            return
        if "pytest" in runnable and not any(self._directory.rglob("test_*.py")):
            # The suite is running already: that the tests are found is what can be seen from within.
            self._run(["sh", "-c", f"{runnable} --collect-only -q"], directory=CHECKOUT)
        elif "pytest" in runnable:
            self._run(["sh", "-c", f"{_PLUGINS} {runnable}"])
        elif "benchmarks" in runnable:
            self._run(["sh", "-c", f"{runnable} --help"], directory=CHECKOUT)
        elif "tests.chaos" in runnable:
            # The suite has runs of its own, and those that pages show take minutes.
            self._run(["sh", "-c", f"{runnable} --dry-run"], directory=CHECKOUT)
        elif runnable.startswith("cd "):
            self._enter(runnable.removeprefix("cd "))
        elif _is_one_of(_SERVICES, runnable):
            self._start_service(runnable)
        elif runnable.startswith("curl "):
            self._run_curl(runnable)
        else:
            self._run(["sh", "-c", runnable])

    def _enter(self, directory: str) -> None:
        """Run what follows in a copy of the directory, which it may write to."""
        self._directory = self._workspace / directory
        shutil.copytree(CHECKOUT / directory, self._directory, dirs_exist_ok=True)

    def _run_curl(self, command: str) -> None:
        require_curl()
        words = shlex.split(_DOCUMENTED_ADDRESS.sub(lambda found: f"127.0.0.1:{self._port + int(found[1])}", command))
        self._run([*words, "--fail-with-body", "--silent", "--show-error"])

    def _run(self, words: list[str], directory: Path | None = None) -> None:
        done = subprocess.run(
            words,
            cwd=directory or self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=90,
        )
        self.output += done.stdout
        assert done.returncode == 0, (
            f"{shlex.join(words)} ended with status {done.returncode}:\n{done.stdout}{self._logs()}"
        )

    def _start_service(self, command: str) -> None:
        """Start what runs until it is stopped, and wait until it is there."""
        log = self._workspace / f"service-{len(self._services)}.log"
        words = f"{command} --port {self._port}" if _is_one_of(("uvicorn", _DEV), command) else command
        if _is_one_of((_DEV,), command):
            words += f" --web-port {free_port()}"
        with log.open("w") as output:
            process = subprocess.Popen(
                ["sh", "-c", f"exec {words}"],
                cwd=self._directory,
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        service = Service(command, process, log)
        self._services.append(service)
        if service.is_server:
            eventually_sync(lambda: process.poll() is not None or answers(self._port), within=30)
            assert process.poll() is None, f"{command} ended early:\n{log.read_text()}"

    def _finish_services(self) -> None:
        """Let what runs do all jobs, and stop it: the one that was started last first."""
        if not self._services:
            return
        eventually_sync(lambda: self._has_one_ended() or self._has_done_all_jobs(), within=30)
        while self._services:
            self._finish(self._services[-1])

    def _finish(self, service: Service) -> None:
        assert service.process.poll() is None, f"{service.command} ended early:\n{service.log.read_text()}"
        service.process.send_signal(signal.SIGTERM)
        status = service.process.wait(timeout=30)
        self._services.remove(service)
        text = service.log.read_text()
        self.output += text
        # uvicorn shuts down in order, then ends itself by the signal that asked for it.
        assert status in (0, -signal.SIGTERM if service.is_server else 0), text
        assert "Traceback" not in text, text

    def _kill_services(self) -> None:
        for service in self._services:
            service.process.kill()
            service.process.wait()
        self._services.clear()

    def _has_one_ended(self) -> bool:
        return any(service.process.poll() is not None for service in self._services)

    def _has_done_all_jobs(self) -> bool:
        with self._database.client() as client:
            # A server answers once its lifespan has begun; a worker is there once Redis knows it.
            begun = client.scard("processes") > 0 or all(service.is_server for service in self._services)
            # At one moment: a job on its way from one key to another is in one of them.
            together = client.pipeline(transaction=True)
            for pattern in _WAITING_KEYS:
                together.keys(pattern)
            return begun and not any(together.execute())

    def _logs(self) -> str:
        return "".join(f"\n{service.command}:\n{service.log.read_text()}" for service in self._services)


def _is_one_of(commands: tuple[str, ...], line: str) -> bool:
    """Tell whether a line runs one of these: `python -m shop` is not `python -m shop.load`."""
    return any(f"{line} ".startswith(f"{command} ") for command in commands)
