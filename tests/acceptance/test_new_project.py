"""What `sidelong new` makes works as it is."""

import os
import subprocess
import sys
from pathlib import Path


def run(directory: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=directory,
        env={**os.environ, "SIDELONG_ENV": "production"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_new_project_passes_its_own_tests_and_so_does_one_with_a_new_job(tmp_path: Path) -> None:
    run(tmp_path, "-m", "sidelong", "new", "project", "book-shop")
    shop = tmp_path / "book-shop"
    run(shop, "-m", "sidelong", "new", "job", "book_shop/jobs/billing/charge", "--queue", "payments")

    assert "3 passed, 1 xfailed" in run(shop, "-m", "pytest", "-q", "-p", "no:cacheprovider")

    program = "from book_shop.worker import app; print(*(job.name for job in app.registry), app.config.log_format)"
    names = "book_shop.jobs.billing.charge.charge book_shop.jobs.welcome.welcome"
    assert run(shop, "-c", program) == f"{names} json\n"

    usual = ["--no-cache", "--isolated", "--line-length", "120"]
    run(shop, "-m", "ruff", "check", "--select", "B,E,F,I,UP", *usual)
    run(shop, "-m", "ruff", "format", "--check", *usual)
