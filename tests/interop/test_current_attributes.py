"""Context variables and Ruby's CurrentAttributes, through the middleware that Sidekiq has for them."""

from contextvars import ContextVar
from pathlib import Path

import pytest
import redis

from sidelong import Sidelong
from sidelong.features.current_attributes import CurrentAttributes
from tests.interop.ruby import Run
from tests.support.eventually import eventually

pytestmark = pytest.mark.allow_any_keys

# Sidekiq loads ActiveSupport, which may not be installed, and then uses nothing but these two methods of a class.
CURRENT = """
    begin
      require "active_support/current_attributes"
    rescue LoadError
      $LOAD_PATH << given["stand_in"]
    end
    require "sidekiq/middleware/current_attributes"

    current = Class.new do
      class << self
        attr_accessor :attributes

        def set(values)
          before, self.attributes = attributes, values
          yield
        ensure
          self.attributes = before
        end
      end
    end
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> str:
    (tmp_path / "active_support").mkdir()
    (tmp_path / "active_support" / "current_attributes.rb").touch()
    return str(tmp_path)


async def test_what_ruby_stores_is_set_here_and_what_is_stored_here_is_set_in_ruby(
    run: Run, app: Sidelong, redis_client: redis.Redis, stand_in: str
) -> None:
    seen: list[str] = []
    tenant: ContextVar[str] = ContextVar("tenant")
    app.use(CurrentAttributes(tenant))

    @app.job(name="Noted", queue="python")
    async def noted() -> None:
        seen.append(tenant.get())
        await app.enqueue("Noted", queue="ruby")

    await run(
        f"""{CURRENT}
        current.attributes = {{tenant: "acme", user: 7}}
        job = {{"class" => "Noted", "args" => [], "queue" => "python"}}
        Sidekiq::CurrentAttributes::Save.new(current).call(nil, job, nil, nil) {{ Sidekiq::Client.push(job) }}
        """,
        stand_in=stand_in,
    )
    async with app, app.worker(queues=["python"]):
        await eventually(lambda: redis_client.llen("queue:ruby") == 1)
    in_ruby = await run(
        f"""{CURRENT}
        seen = nil
        job = Sidekiq::Queue.new("ruby").first.item
        Sidekiq::CurrentAttributes::Load.new(current).call(nil, job, nil) {{ seen = current.attributes }}
        seen
        """,
        stand_in=stand_in,
    )

    assert seen == ["acme"]
    assert in_ruby == {"tenant": "acme"}
