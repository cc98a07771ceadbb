import os
import threading

import pytest

from sidelong.core.clock import SystemClock
from sidelong.core.config import Capsule, Config
from sidelong.store.processes import BeatAnswer
from sidelong.worker.heartbeat import Heartbeat, Presence, process_facts, resident_kb


class Heart:
    """Answers beats: the first as Redis answers a living worker, later ones as told."""

    def __init__(self, later: BeatAnswer) -> None:
        self._answers = [later, BeatAnswer(is_buried=False, was_known=True)]
        self._sent = 0
        self.has_beaten_again = threading.Event()

    def beat(self, beat):
        self._sent += 1
        if self._sent > 2:
            self.has_beaten_again.set()
        return self._answers.pop() if len(self._answers) > 1 else self._answers[0]

    def close(self):
        pass


class Watchdog:
    lag = 0.0

    def check(self, overslept):
        pass


@pytest.mark.parametrize("is_buried", [True, False])
async def test_only_a_beat_that_renews_the_lease_makes_a_worker_trust_itself(is_buried):
    clock = SystemClock()
    heart = Heart(BeatAnswer(is_buried=is_buried, was_known=True))
    heartbeat = Heartbeat(
        heart=heart,
        identity="host:1:0123456789ab",
        queues=["default"],
        concurrency=1,
        facts={},
        classes=[],
        config=Config(beat_interval=0.01, lease_ttl=2.0),
        clock=clock,
        presence=lambda: Presence([], False, 0, 0),
        watchdog=Watchdog(),
        answered=lambda answer: None,
        missed=lambda error: None,
    )
    await heartbeat.start()
    long_ago = heartbeat.beaten_at = clock.monotonic() - 6

    # The event loop is busy with what came in meanwhile, and does not hear of the answer.
    assert heart.has_beaten_again.wait(15)
    heartbeat.end()
    await heartbeat.join(15)

    assert (heartbeat.beaten_at == long_ago) is is_buried


def test_facts_take_the_host_and_pid_from_the_identity():
    config = Config(redis_url="memory://", tag="shop", labels=("blue",))
    capsules = [
        Capsule(name="default", concurrency=4, queues=(("a", 1), ("b", 1))),
        Capsule(name="other", concurrency=2, queues=(("b", 0),)),
    ]

    facts = process_facts(
        identity="host:with:colons:123:0123456789ab",
        config=config,
        capsules=capsules,
        started_at=5.5,
        version="1.2.3",
        is_embedded=False,
    )

    assert facts == {
        "hostname": "host:with:colons",
        "started_at": 5.5,
        "pid": 123,
        "tag": "shop",
        "concurrency": 6,
        "queues": ["a", "b"],
        "weights": [{"a": 1, "b": 1}, {"b": 0}],
        "labels": ["blue"],
        "identity": "host:with:colons:123:0123456789ab",
        "version": "1.2.3",
        "embedded": False,
        "capsules": {
            "default": {"concurrency": 4, "mode": "random", "weights": {"a": 1, "b": 1}},
            "other": {"concurrency": 2, "mode": "strict", "weights": {"b": 0}},
        },
    }


def test_resident_memory_is_that_of_this_process():
    large = bytearray(os.urandom(1)) * 50_000_000
    with_large = resident_kb()
    del large

    assert with_large > 50_000
