import json
from collections.abc import Sequence
from typing import Any

import pytest

from sidelong.app import Sidelong
from sidelong.store.pusher import Push


class MemoryPusher:
    def __init__(self) -> None:
        self.pushes: list[Push] = []
        self.trips: list[int] = []
        self.failures: list[Exception | None] = []

    async def push(self, pushes: Sequence[Push]) -> None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        self.trips.append(len(pushes))
        self.pushes.extend(pushes)

    @property
    def payloads(self) -> list[dict[str, Any]]:
        return [json.loads(push.raw) for push in self.pushes]

    @property
    def payload(self) -> dict[str, Any]:
        (payload,) = self.payloads
        return payload


class MemoryStore:
    def __init__(self) -> None:
        self.pusher = MemoryPusher()
        self.is_closed = False

    async def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def pusher(store: MemoryStore) -> MemoryPusher:
    return store.pusher


@pytest.fixture
def app(store: MemoryStore) -> Sidelong:
    return Sidelong("redis://nowhere", store=store)
