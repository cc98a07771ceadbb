"""Stored: what a queued job takes when Ruby's Sidekiq writes it."""

import os
import shutil
import subprocess

from benchmarks.stored import JOB, bytes_per_job
from benchmarks.workload import decline, read_settings, tell

_PUSH = f'ARGV[0].to_i.times {{ Sidekiq::Client.push("class" => "{JOB}", "args" => [1, 2]) }}'


if __name__ == "__main__":
    settings = read_settings()
    ruby = shutil.which("ruby")
    if ruby is None or subprocess.run([ruby, "-e", "require 'sidekiq'"], stderr=subprocess.DEVNULL).returncode != 0:
        decline("Ruby and its sidekiq are not installed (Debian: ruby-sidekiq)")
    subprocess.run(
        ["ruby", "-rsidekiq", "-e", _PUSH, str(settings["jobs"])],
        env={**os.environ, "REDIS_URL": settings["url"]},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    tell(bytes_per_job(settings))
