"""Real Ruby Sidekiq: scripts that use its client and API, and worker processes."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.redis_server import Database

_HEAD = """
require "json"
require "sidekiq"
require "sidekiq/api"
Sidekiq.configure_client { |config| config.redis = { url: ARGV[0] } }
Sidekiq.configure_server { |config| config.redis = { url: ARGV[0] || ENV["REDIS_URL"] } }
Sidekiq.logger.level = Logger::WARN
"""

_JOBS = """
require "sidekiq"
class Noted
  include Sidekiq::Worker
  def perform(*args)
    Sidekiq.redis { |redis| redis.rpush("noted", JSON.generate([jid, args])) }
  end
end
class Failing
  include Sidekiq::Worker
  def perform(*args) = raise(ArgumentError, "from Ruby")
end
"""


@cache
def is_installed() -> bool:
    """Tell whether Ruby and its Sidekiq are here."""
    if shutil.which("ruby") is None or shutil.which("sidekiq") is None:
        return False
    return subprocess.run(["ruby", "-e", 'require "sidekiq/api"'], capture_output=True, check=False).returncode == 0


def require_ruby() -> None:
    """Skip the running test, and say why, where Ruby Sidekiq is not installed; fail it where it has to be."""
    if is_installed():
        return
    reason = "Ruby Sidekiq is not installed (Debian: ruby-sidekiq)"
    if os.environ.get("SIDELONG_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


class Ruby:
    """Ruby programs on one database."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.database = database
        self._directory = directory

    def run(self, script: str) -> Any:
        """Run a script and return what it printed last, as JSON.

        Raises:
            AssertionError: it failed; with what it wrote.
        """
        path = self._directory / "script.rb"
        path.write_text(_HEAD + script, encoding="utf-8")
        done = subprocess.run(
            ["ruby", "-W0", str(path), self.database.url], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        return json.loads(lines[-1]) if lines else None

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Run a Sidekiq process that knows the classes `Noted` and `Failing`, until the block is left."""
        path = self._directory / "jobs.rb"
        path.write_text(_JOBS, encoding="utf-8")
        process = subprocess.Popen(
            ["sidekiq", "-r", str(path), "-c", "2", "-q", "default", "-t", "2", "-e", "test"],
            cwd=self._directory,
            env={"PATH": "/usr/bin:/bin:/usr/local/bin", "REDIS_URL": self.database.url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
