import pytest

from sidelong.core.config import Config
from sidelong.errors import Refused, Unavailable
from sidelong.worker.lost_owners import LostOwners
from sidelong.worker.stop import StopFlag
from tests.support.clocks import ManualClock

CONFIG = Config(recovery_grace=15.0, lease_ttl=20.0)


class KeySpace:
    """Owners in a key space that takes some steps to walk through."""

    def __init__(self, steps: int = 1) -> None:
        self.steps = steps
        self.visited: list[int] = []
        self.error: Exception | None = None

    async def restore(self, cursor: int) -> tuple[int, list[str]]:
        if self.error is not None:
            raise self.error
        self.visited.append(cursor)
        return (cursor + 1) % self.steps, []


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def key_space():
    return KeySpace()


@pytest.fixture
def lost(clock, key_space):
    return LostOwners(key_space, CONFIG, clock, StopFlag())


async def walks_after(lost, clock, key_space, seconds: float) -> int:
    clock.seconds += seconds
    before = key_space.visited.count(0)
    await lost.seek()
    return key_space.visited.count(0) - before


async def test_walks_one_lease_after_the_start_and_then_about_every_hour(lost, clock, key_space):
    walks = [await walks_after(lost, clock, key_space, seconds) for seconds in (0, 19, 1, 5, 2800, 800)]

    assert walks == [0, 0, 1, 0, 0, 1]


async def test_walks_once_when_the_set_was_seen_without_the_observer(lost, clock, key_space):
    await walks_after(lost, clock, key_space, 20)

    lost.note(is_listed=False)
    at_once = await walks_after(lost, clock, key_space, 5)
    lost.note(is_listed=False)
    after_a_lease = await walks_after(lost, clock, key_space, 15)
    lost.note(is_listed=False)
    later = await walks_after(lost, clock, key_space, 60)

    assert (at_once, after_a_lease, later) == (0, 1, 0)


async def test_goes_on_where_it_was_through_a_large_key_space(lost, clock, key_space):
    key_space.steps = 250
    clock.seconds += 20

    visited = []
    for _ in range(4):
        await lost.seek()
        visited.append(len(key_space.visited))

    assert visited == [100, 200, 250, 250]
    assert key_space.visited == list(range(250))


async def test_begins_again_when_the_set_is_lost_during_a_walk(lost, clock, key_space):
    key_space.steps = 250
    clock.seconds += 20
    await lost.seek()

    lost.note(is_listed=False)
    clock.seconds += 20
    await lost.seek()

    assert key_space.visited == [*range(100), *range(100)]


async def test_tries_again_after_an_outage(lost, clock, key_space):
    clock.seconds += 20
    key_space.error = Unavailable("gone")
    with pytest.raises(Unavailable):
        await lost.seek()

    key_space.error = None

    assert await walks_after(lost, clock, key_space, 1) == 1


async def test_a_server_that_forbids_it_is_asked_once_an_hour(lost, clock, key_space, caplog):
    clock.seconds += 20
    key_space.error = Refused("NOPERM no SCAN for you")

    await lost.seek()
    await lost.seek()

    assert [record.getMessage() for record in caplog.records] == [
        "owners of in-flight jobs that were lost cannot be looked for: NOPERM no SCAN for you"
    ]
