import asyncio
import sys
from types import ModuleType

import anyio
import pytest

from sidelong.testing import fake
from sidelong.testing.user_code import UserCode


def code_in(file):
    return compile("", file, "exec")


@pytest.mark.parametrize("file", ["/srv/shop/jobs.py", "/srv/libs/tools.py", "<string>", "<stdin>", __file__])
def test_what_is_no_library_is_the_users(file):
    assert UserCode("shop.jobs").has(code_in(file))


@pytest.mark.parametrize(
    "file",
    [
        asyncio.__file__,
        anyio.__file__,
        fake.__code__.co_filename,
        "/srv/.venv/lib/python3.13/site-packages/httpx/_client.py",
        "/usr/lib/python3/dist-packages/redis/client.py",
        "<frozen importlib._bootstrap>",
    ],
)
def test_libraries_are_not(file):
    assert not UserCode("shop.jobs").has(code_in(file))


def test_the_package_of_the_job_is_the_users_wherever_it_is_installed(monkeypatch):
    package, module = ModuleType("shop"), ModuleType("single")
    package.__path__ = ["/srv/.venv/lib/python3.13/site-packages/shop"]
    module.__file__ = "/srv/.venv/lib/python3.13/site-packages/single.py"
    monkeypatch.setitem(sys.modules, "shop", package)
    monkeypatch.setitem(sys.modules, "single", module)

    shop, single = UserCode("shop.jobs.orders"), UserCode("single")

    assert shop.has(code_in("/srv/.venv/lib/python3.13/site-packages/shop/jobs/orders.py"))
    assert single.has(code_in("/srv/.venv/lib/python3.13/site-packages/single.py"))
    for file in ("shopping/cart.py", "httpx/_client.py"):
        assert not shop.has(code_in(f"/srv/.venv/lib/python3.13/site-packages/{file}"))
