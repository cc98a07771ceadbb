import asyncio
import sys
from types import ModuleType

import pytest

from sidelong import Sidelong
from sidelong.cli.dev.options import HostOrder
from sidelong.cli.dev.redis_choice import Choice, choose_redis, use_everywhere
from sidelong.cli.run import RunOptions
from sidelong.errors import ConfigurationError, StoreError

NOBODY = "redis://127.0.0.1:1/0"


def choose(app, redis=None, **known):
    run = RunOptions("shop:app", concurrency=None, queues=(), timeout=None, redis=redis, verbose=False)
    order = HostOrder(run, web_app=None, is_factory=False, pages=3, web=None, snapshot="", **known)
    return choose_redis(app, order, asyncio.SelectorEventLoop)


@pytest.mark.parametrize(
    "url", [NOBODY, "redis://:secret@localhost:1/3", "redis://[::1]:1", "unix:///nowhere/redis.sock"]
)
def test_where_none_runs_on_this_machine_the_embedded_store_stands_in(url):
    app = Sidelong(url)
    before = app.store.address

    choice = choose(app)

    assert choice.is_embedded
    assert choice.missing == before
    assert choice.reason.startswith(f"no connection to Redis at {before}: ")
    assert "secret" not in choice.reason
    assert app.store.address == "memory://"


def test_one_elsewhere_is_not_replaced_in_silence():
    with pytest.raises(StoreError, match=r"nowhere.invalid.*\(--redis memory:// works without one"):
        choose(Sidelong("redis://nowhere.invalid:6379/0"))


def test_one_that_was_named_on_the_command_line_is_used_or_refused():
    with pytest.raises(StoreError, match=f"no connection to Redis at {NOBODY}"):
        choose(Sidelong("memory://"), redis=NOBODY)


def test_one_that_the_host_before_has_used_is_not_replaced():
    with pytest.raises(StoreError):
        choose(Sidelong(NOBODY), known_redis=NOBODY)


def test_jobs_stay_in_the_embedded_store_though_a_redis_has_come(redis_server):
    app = Sidelong(redis_server.url)

    choice = choose(app, known_redis="memory://", missing_redis=app.store.address)

    assert choice == Choice("memory://", missing=redis_server.url)
    assert app.store.address == "memory://"


def test_one_that_answers_is_used(redis_server):
    assert choose(Sidelong(redis_server.url)) == Choice(redis_server.url)
    assert choose(Sidelong("memory://"), redis=redis_server.url) == Choice(redis_server.url)


@pytest.mark.parametrize("url", ["memory://", "memory://shop"])
def test_an_embedded_store_that_was_asked_for_is_used(url):
    assert choose(Sidelong(url)) == Choice(url)
    assert choose(Sidelong(NOBODY), redis=url) == Choice(url)


@pytest.mark.parametrize(
    ("address", "is_elsewhere"),
    [
        ("redis://10.0.0.7:6379/0", True),
        ("redis+sentinel://one.example:26379,two.example:26379/main/0", True),
        ("redis://localhost:6379/0", False),
        ("rediss://127.0.0.2:6380/0", False),
        ("unix:///run/redis.sock?db=0", False),
        ("memory://shop", False),
    ],
)
def test_one_that_others_may_use_is_known(address, is_elsewhere):
    assert Choice(address).is_elsewhere is is_elsewhere


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setattr("sidelong.store.embedded._servers", {})
    monkeypatch.setitem(sys.modules, "fakeredis", None)

    with pytest.raises(ConfigurationError, match=r"refused.*pip install 'sidelong\[dev\]'$"):
        choose(Sidelong(NOBODY))


def test_other_apps_with_the_same_address_follow(monkeypatch):
    module = ModuleType("shop_web")
    module.same, module.other = Sidelong(NOBODY), Sidelong("redis://elsewhere:6379/0")
    monkeypatch.setitem(sys.modules, "shop_web", module)
    app = Sidelong(NOBODY)
    choose(app)

    use_everywhere(app, NOBODY)

    assert module.same.store.address == "memory://"
    assert module.other.store.address == "redis://elsewhere:6379/0"
