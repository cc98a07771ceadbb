"""What the user of a worker must be allowed to do in Redis, and what it lacks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from sidelong.store import keys
from sidelong.store.link import Link
from sidelong.store.scripts import Scripts
from sidelong.store.wire import Word

READ_CONFIGURATION: Final = ("CONFIG", "GET", "save")
OPTIONAL: Final[Mapping[tuple[str, ...], str]] = {
    ("INFO", "server"): (
        "neither version nor settings of Redis are checked, and a Redis that has just started is not told from another"
    ),
    ("CLIENT", "ID"): "a worker stops and turns up to `block_time` later",
    ("CLIENT", "UNBLOCK", "1"): "a worker stops and turns up to `block_time` later",
    ("CLIENT", "SETNAME", "sidelong"): "CLIENT LIST does not show which connections are a worker's",
    ("SCAN", "0"): "jobs in flight are not found again after somebody has deleted sidelong:owners",
    READ_CONFIGURATION: "",
}
"""Commands that a worker can do without, each with what it loses; empty for what nobody misses."""


@dataclass(frozen=True, slots=True)
class Lack:
    """What a user may not do.

    Attributes:
        rules: what must be added for a worker to work, as ACL SETUSER takes it.
        optional: words of the commands that a worker does without.
    """

    rules: Sequence[str]
    optional: Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Probe:
    """One command that is asked about, and the keys among its words."""

    words: tuple[str, ...]
    keys: tuple[str, ...]

    @property
    def command(self) -> str:
        return self.words[0].lower()


async def find_lack(link: Link, scripts: Scripts, *, identity: str, queues: Sequence[str]) -> Lack:
    """Ask what the user of a connection may not do.

    Args:
        link: the connection.
        scripts: those of the store.
        identity: whose keys are asked about.
        queues: names of queues to ask about.

    Raises:
        Refused: not even that is allowed.
    """
    probes = list(_probes(identity, queues))
    asked = [probe.words for probe in probes] + list(OPTIONAL)
    words: list[Word] = []
    for each in asked:
        words += (len(each), *each)
    answers = await scripts.rights.run(link, (), words)
    allowed = dict(zip(asked, answers, strict=True))
    denied = [probe for probe in probes if not allowed[probe.words]]
    return Lack(_rules(probes, denied), [each for each in OPTIONAL if not allowed[each]])


def _rules(probes: Sequence[_Probe], denied: Sequence[_Probe]) -> list[str]:
    """Tell missing commands from missing keys: with a key that is missing, not one of several commands works."""
    uses: dict[str, set[str]] = {}
    works: set[str] = set()
    for probe in probes:
        for key in probe.keys:
            uses.setdefault(key, set()).add(probe.command)
            if probe not in denied:
                works.add(key)
    missing = {_pattern(key) for key, commands in uses.items() if len(commands) > 1 and key not in works}
    # Where no key works, nothing tells them apart.
    commands = {probe.command for probe in denied if not works or not missing.intersection(map(_pattern, probe.keys))}
    missing |= {_pattern(probe.keys[0]) for probe in denied if _stands_alone(probe, probes)}
    return [*(f"+{command}" for command in sorted(commands)), *(f"~{pattern}" for pattern in sorted(missing))]


def _stands_alone(probe: _Probe, probes: Sequence[_Probe]) -> bool:
    """Tell whether nothing else uses its command or its key: nobody can tell then which of the two is missing."""
    others = [each for each in probes if each is not probe]
    return bool(probe.keys) and not any(
        each.command == probe.command or set(each.keys) & set(probe.keys) for each in others
    )


def _probes(identity: str, queues: Sequence[str]) -> Iterable[_Probe]:
    """Return every command that a worker runs, on the keys on which it does."""
    seen = set()
    for command, key_lists, *rest in _usage(identity, queues):
        for key_list in key_lists:
            probe = _Probe((command, *key_list, *rest), key_list)
            if probe.words not in seen:
                seen.add(probe.words)
                yield probe


def _usage(identity: str, queues: Sequence[str]) -> Iterable[tuple[str, Iterable[tuple[str, ...]], *tuple[str, ...]]]:
    """Return each command with lists of keys, and the words after the keys."""
    lists = [keys.queue(name) for name in queues]
    flights = [keys.inflight(identity, name) for name in queues]
    pairs = list(zip(lists, flights, strict=True))
    owner_queues, settled, lease = keys.owner_queues(identity), keys.settled(identity), keys.lease(identity)
    process, alone = keys.process(identity), keys.alone(identity)
    works = (keys.work(identity), keys.workers(identity))
    timed = (keys.SCHEDULE, keys.RETRY)
    counters = (keys.PROCESSED, keys.FAILED, keys.daily(keys.PROCESSED, "2000-01-01"))
    return [
        ("BLMOVE", pairs, "RIGHT", "LEFT", "1"),
        ("BLPOP", _each([keys.control(identity)]), "1"),
        ("LMOVE", pairs, "RIGHT", "LEFT"),
        ("LLEN", _each(flights)),
        ("LRANGE", _each(flights), "0", "-1"),
        ("LPOS", _each(flights), "x"),
        ("LREM", _each(flights), "0", "x"),
        ("LPUSH", _each(lists, flights), "x"),
        ("RPUSH", _each(lists), "x"),
        ("RPOP", _each([keys.signals(identity)])),
        ("SADD", _each([keys.QUEUES, keys.OWNERS, keys.PROCESSES, owner_queues]), "x"),
        ("SREM", _each([keys.OWNERS, keys.PROCESSES]), "x"),
        ("SMEMBERS", _each([keys.QUEUES, keys.OWNERS, owner_queues])),
        ("SISMEMBER", _each([keys.OWNERS]), "x"),
        ("SMISMEMBER", _each([keys.PAUSED]), "x"),
        ("ZADD", _each(timed, [keys.DEAD, keys.BURIED]), "1", "x"),
        ("ZRANGE", _each(timed, [keys.BURIED]), "0", "-1"),
        ("ZREM", _each(timed, [keys.DEAD]), "x"),
        ("ZSCORE", _each(timed, [keys.DEAD, keys.BURIED]), "x"),
        ("ZREMRANGEBYRANK", _each([keys.DEAD]), "0", "-2"),
        ("ZREMRANGEBYSCORE", _each([keys.DEAD, keys.BURIED]), "-inf", "0"),
        ("HGET", _each([settled, keys.steps("x")]), "x"),
        ("HSET", _each([settled, process, keys.steps("x"), *works]), "x", "x"),
        ("HSETNX", _each([keys.answers("x"), keys.steps("x")]), "x", "x"),
        ("GET", _each([keys.RECOVERY_LOCK, alone])),
        ("SET", _each([lease, keys.RECOVERY_LOCK, alone]), "x"),
        ("INCRBY", _each(counters), "1"),
        ("EXPIRE", _each([settled, keys.steps("x"), owner_queues, keys.BURIED, process, *works, counters[-1]]), "1"),
        ("PERSIST", _each([owner_queues])),
        ("PTTL", _each([lease, keys.steps("x"), keys.RECOVERY_LOCK, counters[-1]])),
        ("TTL", _each([keys.BURIED])),
        ("DEL", _each([keys.OWNERS, owner_queues, settled, keys.BURIED])),
        ("UNLINK", _each([lease, settled, owner_queues, process, *works])),
        ("TIME", [()]),
    ]


def _each(*groups: Sequence[str]) -> list[tuple[str, ...]]:
    return [(key,) for group in groups for key in group]


def _pattern(key: str) -> str:
    return next(pattern for pattern in keys.ACCESS_PATTERNS if fnmatchcase(key, pattern))
