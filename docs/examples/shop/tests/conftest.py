"""What the tests share: a database of their own, and services that answer without a network."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shop import database, orders, partners, settings
from shop.services import __main__ as third_parties

Services = dict[str, Any]
"""The services by name."""

DRAFT = orders.Draft(key="form-1", item="Tea", quantity=3, email="ada@example.org", card="4242424242424242", parcels=2)


@pytest.fixture
def anyio_backend() -> str:
    """Run the async tests on asyncio."""
    return "asyncio"


@pytest.fixture(autouse=True)
def own_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each test an empty database."""
    monkeypatch.setattr(settings, "DATABASE", str(tmp_path / "shop.sqlite3"))
    yield
    database.close()


@pytest.fixture
async def services() -> AsyncIterator[Services]:
    """Let the shop reach the services, which have done nothing yet."""
    forget()
    await partners.open_client(httpx.ASGITransport(third_parties.app))
    yield {service.name: service for service in third_parties.services}
    await partners.close_client()


@pytest.fixture
def new_order(services: Services) -> Callable[[], int]:
    """Return what puts everything back to where there is one order, number 1, and nothing is done for it."""

    def place() -> int:
        forget()
        database.close()
        Path(settings.DATABASE).unlink(missing_ok=True)
        return orders.place(DRAFT)

    return place


def forget() -> None:
    """Let the services forget what they did, and behave."""
    for service in third_parties.services:
        vars(service).update(vars(type(service)()))
