"""Real Ruby Sidekiq: a process that evaluates scripts with its client, API and Web UI, and worker processes."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self

import pytest
import redis

from tests.support.eventually import eventually_sync
from tests.support.ledger import KILLED, Ledger
from tests.support.redis_server import Database

_HERE = Path(__file__).parent


@cache
def is_installed() -> bool:
    """Tell whether Ruby, its Sidekiq and what the Web UI needs are here."""
    if shutil.which("ruby") is None or shutil.which("sidekiq") is None:
        return False
    return subprocess.run(["ruby", "-e", 'require "sidekiq/web"'], capture_output=True, check=False).returncode == 0


def require_ruby() -> None:
    """Skip the running test, and say why, where Ruby Sidekiq is not installed; fail it where it has to be."""
    if is_installed():
        return
    reason = "Ruby Sidekiq is not installed (Debian: ruby-sidekiq)"
    if os.environ.get("SIDELONG_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


class Bridge:
    """One Ruby process that runs the scripts of many tests: starting Ruby costs more than most of them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["ruby", "-W0", str(_HERE / "bridge.rb")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def run(self, url: str, script: str, given: dict[str, Any]) -> Any:
        """Run a script on the database at `url` and return the value of its last expression.

        Raises:
            AssertionError: it raised; with what and where.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"url": url, "script": script, "given": given}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "the Ruby process has ended"}')
        assert "error" not in answer, f"{answer['error']}\nin\n{script}"
        return answer["value"]

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


class Ruby:
    """Ruby programs on one database."""

    def __init__(self, bridge: Bridge, database: Database) -> None:
        self._bridge = bridge
        self._database = database

    def run(self, script: str, **given: Any) -> Any:
        """Run a script and return the value of its last expression, as JSON carries it.

        Args:
            script: may call `browse(path, form)` for the Web UI.
            given: what the script finds in the hash `given`.
        """
        return self._bridge.run(self._database.url, script, given)


class RubyWorker:
    """A `sidekiq` process with the jobs of `jobs.rb`; `with` waits until it is registered, and kills it at the end.

    Args:
        url: where Redis is.
        ledger: where its jobs tell what they do.
        queues: names, each with `,weight` if need be.
        concurrency: how many jobs run at once.
        timeout: seconds that running jobs have at a stop.
        dead_max_jobs: as in Sidekiq's options.
        files: more Ruby files that it loads.
    """

    def __init__(
        self,
        url: str,
        ledger: Ledger,
        *,
        queues: Sequence[str] = ("default",),
        concurrency: int = 2,
        timeout: int = 1,
        dead_max_jobs: int = 10_000,
        files: Sequence[Path] = (),
    ) -> None:
        self._url = url
        self._ledger = ledger
        ledger.directory.mkdir(parents=True, exist_ok=True)
        flags = [f"-c{concurrency}", f"-t{timeout}", "-etest", *[f"-q{queue}" for queue in queues]]
        with (ledger.directory / "ruby.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["sidekiq", "-r", str(_HERE / "jobs.rb"), *flags],
                cwd=ledger.directory,
                env={
                    **os.environ,
                    "REDIS_URL": url,
                    "LEDGER": str(ledger.directory),
                    "DEAD_MAX_JOBS": str(dead_max_jobs),
                    "MORE_FILES": ":".join(map(str, files)),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        try:
            eventually_sync(lambda: self.identity() is not None, 30)
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """Its number, as the ledger has it."""
        return self._process.pid

    def identity(self) -> str | None:
        """Return how it is called in `processes`, None while it is not there."""
        assert self._process.poll() is None, f"Sidekiq ended:\n{self.log()}"
        with redis.Redis.from_url(self._url) as client:
            return registered(client, self.pid)

    def stop(self, within: float = 15.0) -> int:
        """Send SIGTERM and return the exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(within)

    def kill(self) -> None:
        """End it at once, if it still runs; the ledger is told."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
            self._ledger.write(KILLED, extra=str(self.pid))

    def log(self) -> str:
        """Return what it has written, with what others of the same test have."""
        return (self._ledger.directory / "ruby.log").read_text(errors="replace")


Run = Callable[..., Awaitable[Any]]
"""Runs a script of `Ruby` beside the event loop: the fixture `run`."""
StartRuby = Callable[..., RubyWorker]
"""Starts a worker with the options of `RubyWorker`: the fixture `ruby_worker`."""


def ran_in_ruby(client: redis.Redis) -> list[dict[str, Any]]:
    """Return the payloads of the jobs `Noted` that Ruby workers ran, in order."""
    return [json.loads(raw) for raw in client.lrange("ran", 0, -1)]


def registered(client: redis.Redis, pid: int) -> str | None:
    """Return the identity under which a process of either language is known, None while it is not."""
    names = [name.decode() for name in client.smembers("processes")]
    return next((name for name in names if name.split(":")[-2] == str(pid)), None)
