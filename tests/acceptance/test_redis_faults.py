"""A Redis that restarts, stands still, is full, or refuses to write: nothing is lost, and nothing runs twice."""

import asyncio
import re
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import redis

from sidelong import NotEnqueued, Sidelong
from tests.support import redis_state, seeding
from tests.support.eventually import eventually, eventually_sync
from tests.support.ledger import Ledger
from tests.support.processes import Supervisor, WorkerOptions, WorkerProcess
from tests.support.proxy import Proxy
from tests.support.redis_server import RedisServer
from tests.support.timings import TEST_TIMINGS

StartRedis = Callable[..., RedisServer]

# For so long that every lease runs out and every grace is over.
STANDSTILL = TEST_TIMINGS["lease_ttl"] + TEST_TIMINGS["recovery_grace"] + 1.0
# After that, whoever takes a living worker for dead has done so.
JUDGED = TEST_TIMINGS["recovery_grace"] + 2 * TEST_TIMINGS["recovery_interval"]
OUTAGE = 10.0
RECOVERED = "is dead; its"
GONE = re.compile("Redis (is out of reach|refuses); running jobs go on")
BACK = re.compile("Redis at .* answers again after")
REGISTERED = re.compile("the lease of this worker had run out; it is registered again")


def enqueue(client: redis.Redis, job: str, *args: object, count: int = 1) -> list[str]:
    return seeding.push(client, *[seeding.payload(job, *args) for _ in range(count)])


def processed(client: redis.Redis) -> int:
    return int(client.get("stat:processed") or 0)


def is_drained(client: redis.Redis) -> bool:
    return not redis_state.payloads(redis_state.dump(client))


def is_settled(client: redis.Redis, count: int) -> bool:
    with suppress(redis.RedisError):
        return processed(client) >= count and is_drained(client)
    return False


def troubles(worker: WorkerProcess) -> list[str]:
    """Return what a worker logged about trouble."""
    return [line for line in worker.log().splitlines() if " WARNING sidelong.worker" in line or " ERROR " in line]


def assert_each_ran_once(ledger: Ledger, jids: list[str], client: redis.Redis) -> None:
    history = ledger.history()
    assert not history.lost(jids)
    assert not history.ran_twice()
    assert processed(client) == len(jids)


# Redis goes away, or stands still.


def test_a_restart_of_redis_loses_and_doubles_nothing(start_redis: StartRedis, ledger: Ledger) -> None:
    server = start_redis(appendonly="always")

    with Supervisor(WorkerOptions(redis=server.url, ledger=ledger, concurrency=10), count=2) as workers:
        with server.client() as client:
            jids = enqueue(client, "quick", count=3000)
            for least in (500, 1500):
                eventually_sync(lambda least=least: processed(client) >= least, 30)
                server.restart(kill=True)
        with server.client() as client:
            eventually_sync(lambda: is_settled(client, len(jids)), 30)
            assert_each_ran_once(ledger, jids, client)

    assert RECOVERED not in workers.logs()


@pytest.mark.slow
def test_an_outage_is_met_with_few_attempts_and_few_words_and_no_recovery(
    start_redis: StartRedis, ledger: Ledger, tmp_path: Path
) -> None:
    server = start_redis()
    gate = tmp_path / "gate"

    with ExitStack() as stack:
        links = [stack.enter_context(Proxy(server.port)) for _ in range(2)]
        workers = [
            stack.enter_context(
                WorkerProcess(WorkerOptions(redis=link.url(), ledger=ledger, queues=["default", "low"]))
            )
            for link in links
        ]
        with server.client() as client:
            jids = enqueue(client, "hold", str(gate), count=16)
        eventually_sync(lambda: set(jids) <= ledger.history().runs.keys(), 15)
        server.stop(save=True)
        began = time.monotonic()
        threading.Event().wait(OUTAGE)
        attempts = [[at for at in link.attempts if began < at < began + OUTAGE] for link in links]
        words = [len(troubles(worker)) for worker in workers]
        server.start()
        back = time.monotonic()
        with server.client() as client:
            more = enqueue(client, "noop", count=4)
            eventually_sync(lambda: set(more) <= ledger.history().ends.keys(), 15)
            print(
                f"fetching resumed {time.monotonic() - back:.2f} s after the start; attempts {list(map(len, attempts))}"
            )
            # A server that has just started is trusted only after a lease and a grace.
            threading.Event().wait(TEST_TIMINGS["lease_ttl"] + JUDGED)
            gate.touch()
            eventually_sync(lambda: is_settled(client, len(jids) + len(more)), 15)
            assert_each_ran_once(ledger, jids + more, client)
        log = "".join(worker.log() for worker in workers)

    for made in attempts:
        # Two at the start: both the loop and the heartbeat notice at once.
        assert len(made) <= 2 * OUTAGE
        assert all(later - earlier >= 1.0 for earlier, later in zip(made, made[3:], strict=False))
    assert all(count == 1 for count in words)
    assert RECOVERED not in log


class Site:
    """A server of its own with two workers, and jobs that run until they are told to end."""

    def __init__(self, stack: ExitStack, server: RedisServer, directory: Path) -> None:
        self.server = server
        self.ledger = Ledger(directory)
        self.early, self.late = directory / "early", directory / "late"
        self.client = stack.enter_context(server.client())
        self.workers = Supervisor(WorkerOptions(redis=server.url, ledger=self.ledger, concurrency=20), count=0)
        stack.callback(self.workers.close)
        for _ in range(2):
            self.workers.spawn()

    def work(self) -> None:
        """Wait for the workers, and give them what to do."""
        eventually_sync(lambda: len(self.client.keys("sidelong:lease:*")) == 2, 30)
        self.jids = [
            *enqueue(self.client, "hold", str(self.early), count=10),
            *enqueue(self.client, "hold", str(self.late), count=10),
        ]
        eventually_sync(lambda: set(self.jids) <= self.ledger.history().runs.keys(), 15)


def pause_clients(site: Site) -> None:
    site.client.execute_command("CLIENT PAUSE", int(STANDSTILL * 1000), "ALL")


def fail_to_save(site: Site) -> None:
    site.client.config_set("save", "3600 1000000")
    shutil.rmtree(site.server.directory)
    site.client.bgsave()
    eventually_sync(lambda: site.client.info("persistence")["rdb_last_bgsave_status"] == "err", 10)


TROUBLES: dict[str, tuple[Callable[[Site], object], Callable[[Site], object]]] = {
    "frozen": (lambda site: site.server.pause(), lambda site: site.server.resume()),
    "paused": (pause_clients, lambda site: None),
    "READONLY": (
        lambda site: site.client.replicaof("127.0.0.1", 1),
        lambda site: site.client.replicaof("NO", "ONE"),
    ),
    "NOREPLICAS": (
        lambda site: site.client.config_set("min-replicas-to-write", 1),
        lambda site: site.client.config_set("min-replicas-to-write", 0),
    ),
    "MISCONF": (fail_to_save, lambda site: site.client.config_set("save", "")),
}


@pytest.mark.slow
def test_a_redis_that_stands_still_or_refuses_for_longer_than_a_lease_and_a_grace_makes_nobody_look_dead(
    start_redis: StartRedis, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        # All of them start at the same time.
        sites = {name: Site(stack, start_redis(), tmp_path / name) for name in TROUBLES}
        for site in sites.values():
            site.work()
        for name, (begin, _) in TROUBLES.items():
            begin(sites[name])
            # These end with nobody to tell.
            sites[name].early.touch()
        threading.Event().wait(STANDSTILL)
        for name, (_, end) in TROUBLES.items():
            # That one ends by itself.
            if name != "paused":
                for process in sites[name].workers.processes:
                    (told,) = eventually_sync(lambda process=process: troubles(process), 15)
                    assert GONE.search(told), told
            end(sites[name])
        for site in sites.values():
            for process in site.workers.processes:
                eventually_sync(lambda process=process: BACK.search(process.log()), 15)
        threading.Event().wait(JUDGED)
        for name, site in sites.items():
            said = [troubles(process) for process in site.workers.processes]
            print(f"{name}: lines of trouble per worker: {list(map(len, said))}")
            for lines in said:
                assert [sum(map(bool, map(kind.search, lines))) for kind in (GONE, BACK)] == [1, 1], lines
        for site in sites.values():
            site.late.touch()
            eventually_sync(lambda site=site: is_settled(site.client, len(site.jids)), 15)

            assert_each_ran_once(site.ledger, site.jids, site.client)
            assert RECOVERED not in site.workers.logs()
            assert "took this worker for dead" not in site.workers.logs()
            for line in [line for process in site.workers.processes for line in troubles(process)]:
                assert GONE.search(line) or BACK.search(line) or REGISTERED.search(line), line


# Redis, or its operator, is unkind.


def kill_clients(client: redis.Redis) -> None:
    client.execute_command("CLIENT KILL TYPE normal")


def unblock_clients(client: redis.Redis) -> None:
    for found in client.client_list():
        if "b" in found["flags"]:
            client.execute_command("CLIENT UNBLOCK", found["id"], "ERROR")


def flush_scripts(client: redis.Redis) -> None:
    client.script_flush()


UNKIND: dict[Callable[[redis.Redis], None], float] = {kill_clients: 0.1, unblock_clients: 0.02, flush_scripts: 0.1}
"""With the seconds between two times."""


@pytest.mark.slow
def test_connections_killed_waits_ended_and_scripts_forgotten_lose_and_double_nothing(
    start_redis: StartRedis, tmp_path: Path
) -> None:
    # Beside each other: they wait most of the time.
    with ThreadPoolExecutor() as threads:
        done = [
            threads.submit(suffer, start_redis(), Ledger(tmp_path / unkindness.__name__), unkindness, pause)
            for unkindness, pause in UNKIND.items()
        ]
    for each in done:
        each.result()


def suffer(server: RedisServer, ledger: Ledger, unkindness: Callable[[redis.Redis], None], pause: float) -> None:
    jids: list[str] = []

    with (
        Supervisor(WorkerOptions(redis=server.url, ledger=ledger, concurrency=10), count=2) as workers,
        server.client() as client,
    ):
        for _ in range(20):
            # In portions, so that workers are idle in between.
            jids += enqueue(client, "quick", count=50)
            for _ in range(3):
                unkindness(client)
                threading.Event().wait(pause)
        unkind_until = time.monotonic()
        eventually_sync(lambda: is_settled(client, len(jids)), 30)
        print(f"{unkindness.__name__}: all done {time.monotonic() - unkind_until:.2f} s after the last")
        assert_each_ran_once(ledger, jids, client)

    assert RECOVERED not in workers.logs()


async def test_a_full_redis_is_drained_while_pushes_say_that_nothing_was_stored(
    start_redis: StartRedis, ledger: Ledger
) -> None:
    server = start_redis()
    with server.client() as client:
        failing = enqueue(client, "always_fail", count=100)
        jids = enqueue(client, "quick", count=2000)
        client.config_set("maxmemory", 1_000_000)

        with pytest.raises(redis.exceptions.OutOfMemoryError):
            client.set("one", "more")
        with WorkerProcess(WorkerOptions(redis=server.url, ledger=ledger)) as worker:
            await eventually(lambda: processed(client) == len(jids) + len(failing), 30)
            async with Sidelong(server.url) as app:
                with pytest.raises(NotEnqueued, match="OOM"):
                    await app.enqueue("noop")
                lives = await _leases(client, for_seconds=2 * TEST_TIMINGS["lease_ttl"])
                client.config_set("maxmemory", 0)
                late = str(await app.enqueue("noop"))
            await eventually(lambda: late in ledger.history().ends, 15)
            log = worker.log()

        history = ledger.history()
        assert all(lives)
        assert not history.lost(jids)
        assert not history.ran_twice()
        assert set(redis_state.places(redis_state.dump(client))) == set(failing)
        assert client.zcard("retry") == len(failing)
        assert RECOVERED not in log
        assert "out of reach" not in log


async def _leases(client: redis.Redis, *, for_seconds: float) -> list[int]:
    """Return how many leases there were, at each look of the next seconds."""
    seen = []
    ends_at = time.monotonic() + for_seconds
    while time.monotonic() < ends_at:
        seen.append(len(client.keys("sidelong:lease:*")))
        await asyncio.sleep(0.1)
    return seen
