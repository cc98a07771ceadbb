import os

from sidelong.core.config import Capsule, Config
from sidelong.worker.heartbeat import process_facts, resident_kb


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
