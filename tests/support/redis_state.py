"""The whole of a Redis database as a value: seed it, act, compare.

Values are read by type and in bytes, so that keys of the wrong type and payloads that are no text compare
too.
Every function takes a blocking client; one of fakeredis will do.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import redis

State = dict[str, "Entry"]
"""Key name to what it holds; bytes that are not UTF-8 become lone surrogates, and bytes again in `seed`."""

_JOB_SETS = frozenset({"schedule", "retry", "dead"})
_INFLIGHT = "sidelong:inflight:"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one key holds.

    Attributes:
        type: as Redis' TYPE names it.
        value: bytes for `string`; list of bytes for `list`, the left end first; frozenset for `set`; dict of
            bytes for `hash`; dict of member to score for `zset`; list of (id, fields) for `stream`.
        ttl: seconds until it expires, None if it does not.
    """

    type: str
    value: Any
    ttl: float | None = None


def dump(client: redis.Redis) -> State:
    """Return everything in the client's database."""
    return {_text(key): entry for key in sorted(client.scan_iter(count=1000)) if (entry := _read(client, key))}


def restore(client: redis.Redis, state: Mapping[str, Entry]) -> None:
    """Empty the client's database and fill it with `state`."""
    client.flushdb()
    seed(client, state)


def seed(client: redis.Redis, state: Mapping[str, Entry]) -> None:
    """Set the keys of `state`, replacing what they held; other keys stay."""
    for name, entry in state.items():
        key = _bytes(name)
        client.delete(key)
        match entry.type:
            case "string":
                client.set(key, entry.value)
            case "list":
                client.rpush(key, *entry.value)
            case "set":
                client.sadd(key, *entry.value)
            case "hash":
                client.hset(key, mapping=dict(entry.value))
            case "zset":
                client.zadd(key, dict(entry.value))
            case "stream":
                for entry_id, fields in entry.value:
                    client.xadd(key, fields, id=entry_id)
            case other:
                raise ValueError(f"no way to write a {other}")
        if entry.ttl is not None:
            client.pexpire(key, int(entry.ttl * 1000))


def differences(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> list[str]:
    """Return one line for each key that differs, none if the states are equal.

    Of an expiry only its presence is compared: it runs while the test does.
    """
    lines = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None:
            lines.append(f"{name!r}: appeared, {new}")
        elif new is None:
            lines.append(f"{name!r}: is gone, was {old}")
        elif (old.type, old.value) != (new.type, new.value):
            lines.append(f"{name!r}: was {old.type} {old.value!r}, is {new.type} {new.value!r}")
        elif (old.ttl is None) != (new.ttl is None):
            lines.append(f"{name!r}: expired in {old.ttl} s, now in {new.ttl} s")
    return lines


def assert_same(before: Mapping[str, Entry], after: Mapping[str, Entry]) -> None:
    """Fail with one line for each key that differs."""
    lines = differences(before, after)
    assert not lines, "\n".join(["the Redis states differ:", *lines])


def without(state: Mapping[str, Entry], *prefixes: str) -> State:
    """Return the state less the keys that begin with one of `prefixes`."""
    return {name: entry for name, entry in state.items() if not name.startswith(prefixes)}


def payloads(state: Mapping[str, Entry]) -> dict[str, list[bytes]]:
    """Return the raw payloads in every place that holds jobs: queues, job sets and in-flight lists."""
    found = {}
    for name, entry in state.items():
        is_list_of_jobs = entry.type == "list" and name.startswith(("queue:", _INFLIGHT))
        if is_list_of_jobs or (entry.type == "zset" and name in _JOB_SETS):
            found[name] = list(entry.value)
    return found


def places(state: Mapping[str, Entry]) -> dict[str, list[str]]:
    """Return jid to the keys that hold a job of that jid, once for each copy.

    Payloads without a readable jid are left out.
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, raws in payloads(state).items():
        for jid in _jids(raws):
            found[jid].append(name)
    return dict(found)


def _jids(raws: Iterable[bytes]) -> Iterable[str]:
    for raw in raws:
        try:
            item = json.loads(raw)
        except (ValueError, RecursionError):
            continue
        if isinstance(item, dict) and isinstance(item.get("jid"), str):
            yield item["jid"]


def _read(client: redis.Redis, key: bytes) -> Entry | None:
    kind = _text(client.type(key))
    value: Any
    match kind:
        case "string":
            value = client.get(key)
        case "list":
            value = client.lrange(key, 0, -1)
        case "set":
            value = frozenset(client.smembers(key))
        case "hash":
            value = client.hgetall(key)
        case "zset":
            value = dict(cast("list[tuple[bytes, float]]", client.zrange(key, 0, -1, withscores=True)))
        case "stream":
            value = client.xrange(key)
        case _:
            # It went between the scan and the look.
            return None
    remaining = client.pttl(key)
    if not value and kind != "string":
        return None
    return Entry(kind, value, remaining / 1000 if remaining >= 0 else None)


def _text(data: bytes | str) -> str:
    return data if isinstance(data, str) else data.decode("utf-8", "surrogateescape")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
