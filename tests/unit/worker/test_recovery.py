import random

import pytest

from sidelong.core.config import Config
from sidelong.core.lifecycle import Hooks
from sidelong.errors import Refused
from sidelong.store.processes import Salvage, Sighting
from sidelong.worker.outage import Outage
from sidelong.worker.recovery import Recovery
from sidelong.worker.stop import StopFlag
from tests.support.clocks import ManualClock

OBSERVER = "host:1:aaaaaaaaaaaa"
DEAD = "host:2:bbbbbbbbbbbb"
CONFIG = Config(recovery_grace=15.0, lease_ttl=20.0, recovery_interval=5.0)
WRONG_TYPE = Refused("WRONGTYPE Operation against a key holding the wrong kind of value")


class Deads:
    """Owners of whom one is dead, on a server that may be replaced."""

    def __init__(self) -> None:
        self.server = "first"
        self.uptime = 10_000
        self.missing = [DEAD]
        self.lists: dict[str, list[bytes] | Refused] = {"a": [b'{"jid":"1"}']}
        self.queues: dict[str, list[bytes] | Refused] = {"a": [], "b": [], "c": []}

    async def look(self, by: str = "", *, with_server: bool = False) -> Sighting:
        if not self.missing and not with_server:
            return Sighting([], [], "", None)
        return Sighting(self.missing, [], self.server, self.uptime)

    async def bury(self, identity: str, *, by: str) -> list[str]:
        return list(self.lists)

    async def held(self, identity: str, queue: str) -> list[bytes]:
        return list(_readable(self.lists[queue]))

    async def alone(self, identity: str) -> None:
        return None

    async def salvage(self, identity: str, queue: str, salvages: list[Salvage]) -> list[int]:
        _readable(self.queues[queue]).extend(salvage.raw for salvage in salvages)
        _readable(self.lists[queue]).clear()
        return [1] * len(salvages)

    async def leave(self, identity: str, queues: list[str]) -> bool:
        if any(self.lists.values()):
            return False
        self.missing = []
        return True


def _readable(entries: list[bytes] | Refused) -> list[bytes]:
    if isinstance(entries, Refused):
        raise entries
    return entries


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def owners():
    return Deads()


@pytest.fixture
def recovery(owners, clock):
    random.seed(1)
    return Recovery(
        owners=owners,
        identity=OBSERVER,
        config=CONFIG,
        clock=clock,
        hooks=Hooks(),
        outage=Outage("redis", clock.monotonic),
        stop=StopFlag(),
    )


async def looks(recovery, clock, owners, seconds: float) -> None:
    for _ in range(int(seconds / 5)):
        await recovery.look()
        clock.seconds += 5
        owners.uptime += 5
    await recovery.look()


async def test_the_uptime_of_the_first_server_counts(recovery, clock, owners):
    await looks(recovery, clock, owners, 15)

    assert owners.queues["a"] == [b'{"jid":"1"}']


async def test_a_replica_long_up_that_takes_over_is_not_believed_at_once(recovery, clock, owners):
    owners.missing = []
    await looks(recovery, clock, owners, 10)
    owners.server = "promoted"
    owners.missing = [DEAD]

    await looks(recovery, clock, owners, 35)
    early = list(owners.queues["a"])
    await looks(recovery, clock, owners, 20)

    assert early == []
    assert owners.queues["a"] == [b'{"jid":"1"}']


@pytest.mark.parametrize("place", ["lists", "queues"])
async def test_a_queue_that_cannot_be_read_holds_up_no_other(place, recovery, clock, owners, caplog):
    owners.lists = {"a": [b'{"jid":"1"}'], "b": [b'{"jid":"2"}'], "c": [b'{"jid":"3"}']}
    healthy = getattr(owners, place)["b"]
    getattr(owners, place)["b"] = WRONG_TYPE

    await looks(recovery, clock, owners, 30)
    others = (owners.queues["a"], owners.queues["c"])
    is_kept = owners.missing == [DEAD]
    told = [record.getMessage() for record in caplog.records if "cannot be recovered" in record.getMessage()]
    getattr(owners, place)["b"] = healthy
    await looks(recovery, clock, owners, 5)

    assert others == ([b'{"jid":"1"}'], [b'{"jid":"3"}'])
    assert is_kept
    assert len(told) == 1
    assert "from queue b cannot be recovered: WRONGTYPE" in told[0]
    assert owners.queues["b"] == [b'{"jid":"2"}']
    assert owners.missing == []
