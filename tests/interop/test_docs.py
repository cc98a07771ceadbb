"""The Ruby code of docs/ruby.md; its Python code and commands are run with those of all pages."""

import re
from pathlib import Path

import pytest
import redis

from sidelong import Sidelong
from tests.docs.pages import CHECKOUT, read_blocks
from tests.interop.ruby import Run, StartRuby
from tests.support.eventually import eventually

pytestmark = pytest.mark.allow_any_keys

_FILE_NAME = re.compile(r"# (\S+\.rb)\n")


def ruby_code() -> tuple[dict[str, str], list[str]]:
    """Return the files of the page by name, and what it says without naming a file."""
    texts = [block.text for block in read_blocks(CHECKOUT / "docs" / "ruby.md") if block.language == "ruby"]
    named = {match[1]: text for text in texts if (match := _FILE_NAME.match(text))}
    return named, [text for text in texts if not _FILE_NAME.match(text)]


async def test_the_ruby_code_of_the_page_does_what_it_says(
    tmp_path: Path, ruby_worker: StartRuby, run: Run, app: Sidelong, redis_client: redis.Redis
) -> None:
    ran: list[tuple[int, str]] = []

    @app.job(name="PdfReport", queue="python")
    async def pdf_report(order_id: int, options: dict[str, str]) -> None:
        ran.append((order_id, options["language"]))

    files, (push, check) = ruby_code()
    paths = []
    for name, text in files.items():
        path = tmp_path / Path(name).name
        path.write_text(text)
        paths.append(path)

    await run("\n".join([files["app/jobs/pdf_report.rb"], push]))
    spells_alike = await run(check.replace("puts ", ""))
    retries = await run('Sidekiq::Queue.new("python").find { |job| job.args[0] == 42 }["retry"]')
    ((soon, _),) = redis_client.zrange("schedule", 0, -1, withscores=True)
    redis_client.zadd("schedule", {soon: 1.0})
    with ruby_worker(queues=["ruby"], files=paths) as worker:
        async with app:
            await app.enqueue("HardJob", "paint", 2, queue="ruby", retry=5, tags=["house"])
            await eventually(lambda: redis_client.get("stat:processed") == b"1", 30)
            # Its poller looks every 0.1 to 0.3 s.
            identity = str(worker.identity())
            beats = {redis_client.hget(identity, "beat")}
            await eventually(lambda: beats.add(redis_client.hget(identity, "beat")) or len(beats) > 4, 10)
            left_to_python = redis_client.zcard("schedule")
            async with app.worker(queues=["python"]):
                await eventually(lambda: len(ran) == 3)

    assert spells_alike is True
    assert retries == 5
    assert "paint, 2 times" in worker.log()
    assert redis_client.get("stat:failed") in (None, b"0")
    assert left_to_python == 1
    assert sorted(ran) == [(42, "de"), (43, "en"), (44, "fr")]
