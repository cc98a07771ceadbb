"""What the scripts of the store should do, in plain Python: one dictionary per kind of key.

Scores are ordinal: members due in the past lie below `NOW`, those stored by a script at `NOW` plus the number of
the step, those put off at `LATER` plus it, and far ones above. Their order is the order of the real scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sidelong.store import keys

QUEUES = ("a", "b")
WORKERS = ("host:1:aaaaaaaaaaaa", "host:2:bbbbbbbbbbbb")
CAPSULE = "default"
DEAD_MAX = 6

NOW = 1e9
LATER = 2e9
FAR = 4e9
IS_DUE = 1.5e9

ERROR = "an error text"
COUNTED = {"done": (1, 0), "dropped": (1, 1), "dead": (1, 1), "retry": (1, 1)}

JOB_LISTS = (
    *map(keys.queue, QUEUES),
    *(keys.inflight(worker, queue) for worker in WORKERS for queue in QUEUES),
)
JOB_SETS = (keys.SCHEDULE, keys.RETRY, keys.DEAD)
STRINGS = (keys.PROCESSED, keys.FAILED, keys.RECOVERY_LOCK, *map(keys.lease, WORKERS))
OTHERS = (
    keys.QUEUES,
    keys.PROCESSES,
    keys.OWNERS,
    keys.BURIED,
    *map(keys.owner_queues, WORKERS),
    *map(keys.settled, WORKERS),
)
ALL_KEYS = (*JOB_LISTS, *JOB_SETS, *STRINGS, *OTHERS)


@dataclass(frozen=True)
class Settle:
    """One entry of a batch: what is to become of `raw`."""

    operation: str
    place: int
    raw: bytes
    new: bytes = b""
    is_later: bool = False


@dataclass
class Expected:
    """What a turn should answer; results are one character per entry, as the script gives them."""

    results: str
    taken: list[tuple[int, list[bytes]]] = field(default_factory=list)
    is_owner: bool = True
    trimmed: int = 0
    is_stale: bool = False


class Model:
    """The state of one Redis database, as far as jobs and their owners go."""

    def __init__(self) -> None:
        self.step = 0
        self.wrong: set[str] = set()
        self.lists: dict[str, list[bytes]] = {key: [] for key in JOB_LISTS}
        self.zsets: dict[str, dict[bytes, float]] = {key: {} for key in JOB_SETS}
        self.names: dict[str, set[str]] = {key: set() for key in OTHERS}
        self.settled: dict[str, tuple[int, str, int]] = {}
        self.strings: dict[str, str] = {}
        self.counters = {keys.PROCESSED: 0, keys.FAILED: 0}
        # Where every job that was ever pushed must be found again.
        self.pushed = self.finished = self.merged = self.trimmed = 0

    # Faults.

    def break_key(self, key: str) -> None:
        """Something of the wrong type takes the place of a key; jobs are set aside, all else is gone."""
        self.wrong.add(key)
        self._forget(key)

    def heal(self, key: str) -> None:
        """The wrong thing is removed, and jobs that were set aside come back."""
        self.wrong.discard(key)

    def _forget(self, key: str) -> None:
        if key in self.names:
            self.names[key] = set()
        if key in self.counters:
            self.counters[key] = 0
        self.strings.pop(key, None)
        self.settled = {worker: last for worker, last in self.settled.items() if keys.settled(worker) != key}

    def _remove(self, key: str) -> None:
        self.wrong.discard(key)
        self._forget(key)

    def is_alive(self, worker: str) -> bool:
        """A lease stands."""
        return keys.lease(worker) in self.strings

    def expire(self, key: str) -> None:
        """A lease or lock runs out."""
        if key not in self.wrong:
            self.strings.pop(key, None)

    # Jobs in sets.

    def due(self, name: str) -> list[bytes] | None:
        """Members whose time has come, in order; None if the set cannot be read."""
        if name in self.wrong:
            return None
        return [raw for raw in self.ordered(name) if self.zsets[name][raw] < IS_DUE]

    def ordered(self, name: str) -> list[bytes]:
        """Members by score, then by bytes."""
        return sorted(self.zsets[name], key=lambda raw: (self.zsets[name][raw], raw))

    def add(self, name: str, raw: bytes, score: float) -> bool:
        """ZADD; False if the key has the wrong type."""
        if name in self.wrong:
            return False
        # A set cannot hold the same bytes twice: twins meet there.
        self.merged += raw in self.zsets[name]
        self.zsets[name][raw] = score
        return True

    def bury(self, raw: bytes) -> tuple[bool, int]:
        """Into the dead set, by Sidekiq's rule: the old and the surplus go."""
        if not self.add(keys.DEAD, raw, NOW + self.step):
            return False, 0
        dead = self.zsets[keys.DEAD]
        dropped = [member for member, score in dead.items() if score < NOW]
        rest = [member for member in self.ordered(keys.DEAD) if member not in dropped]
        dropped += rest[: max(0, len(rest) - (DEAD_MAX - 1))]
        for member in dropped:
            del dead[member]
        self.trimmed += len(dropped)
        return True, len(dropped)

    # What the scripts do.

    def name_queue(self, key: str) -> None:
        """The name of a queue is noted where all of them stand, if that can be."""
        if keys.QUEUES not in self.wrong:
            self.names[keys.QUEUES].add(key.removeprefix(keys.queue("")))

    def push(self, queue: str, raw: bytes) -> bool:
        """LPUSH; False if the queue has the wrong type."""
        self.name_queue(keys.queue(queue))
        if keys.queue(queue) in self.wrong:
            return False
        self.lists[keys.queue(queue)].insert(0, raw)
        self.pushed += 1
        return True

    def schedule(self, raw: bytes, score: float) -> bool:
        """ZADD to the schedule; False if it has the wrong type."""
        stored = self.add(keys.SCHEDULE, raw, score)
        self.pushed += stored
        return stored

    def turn(
        self, worker: str, number: int, settles: Sequence[Settle], free: int, takes: Sequence[tuple[int, int]]
    ) -> Expected:
        """Settle, then take."""
        is_owner = keys.OWNERS in self.wrong or worker in self.names[keys.OWNERS]
        is_owner = is_owner and worker not in self.names[keys.BURIED]
        last = self.settled.get(worker)
        if last is not None and last[0] == number:
            return Expected(last[1], [], is_owner, last[2])
        if last is not None and last[0] > number:
            return Expected("", [], is_owner, 0, is_stale=True)
        trimmed = 0
        results = ""
        for settle in settles:
            result, dropped = self._settle(worker, settle)
            trimmed += dropped
            results += result
            if result == "1":
                for key, by in zip(self.counters, COUNTED.get(settle.operation, (0, 0)), strict=True):
                    self.counters[key] += 0 if key in self.wrong else by
        self.wrong.discard(keys.settled(worker))
        self.settled[worker] = (number, results, trimmed)
        taken = self._take(worker, free, takes) if is_owner else []
        return Expected(results, taken, is_owner, trimmed)

    def _settle(self, worker: str, settle: Settle) -> tuple[str, int]:
        queue = QUEUES[settle.place]
        inflight = keys.inflight(worker, queue)
        if inflight in self.wrong:
            return "e", 0
        held = self.lists[inflight]
        if settle.raw not in held:
            return "0", 0
        is_stored, dropped = self._insert(inflight, keys.queue(queue), settle)
        if not is_stored:
            return "e", 0
        _remove_last(held, settle.raw)
        return "1", dropped

    def _insert(self, inflight: str, queue: str, settle: Settle) -> tuple[bool, int]:
        match settle.operation:
            case "done" | "dropped":
                self.finished += 1
            case "retry":
                base = LATER if settle.is_later else NOW
                return self.add(keys.RETRY, settle.new, base + self.step), 0
            case "dead":
                return self.bury(settle.new)
            case "bury":
                return self.bury(settle.raw)
            case "back":
                if queue in self.wrong:
                    return False, 0
                self.lists[queue].append(settle.raw)
                self.name_queue(queue)
            case "rewrite":
                self.lists[inflight].insert(0, settle.new)
        return True, 0

    def _take(self, worker: str, free: int, takes: Sequence[tuple[int, int]]) -> list[tuple[int, list[bytes]]]:
        taken = []
        for place, most in takes:
            queue, inflight = keys.queue(QUEUES[place]), keys.inflight(worker, QUEUES[place])
            got: list[bytes] = []
            if queue not in self.wrong and inflight not in self.wrong:
                while self.lists[queue] and len(got) < most and free:
                    raw = self.lists[queue].pop()
                    self.lists[inflight].insert(0, raw)
                    got.append(raw)
                    free -= 1
            if got:
                taken.append((place, got))
        return taken

    def move(self, name: str, member: bytes, to: str, queue: str, raw: bytes, at: float, seen_at: float | None) -> str:
        """One member of a set to where it belongs, if it is due, or as it was seen."""
        if name in self.wrong:
            return ERROR
        score = self.zsets[name].get(member)
        if score is None:
            return "gone"
        if to == "at" and score == at:
            return to
        if score != seen_at if seen_at is not None else score > IS_DUE:
            return "gone"
        if to in ("later", "at"):
            self.zsets[name][member] = LATER + self.step if to == "later" else at
            return to
        if to == "queue" and keys.queue(queue) in self.wrong:
            if seen_at is not None:
                return ERROR
            to = "dead"
        if to == "queue":
            self.lists[keys.queue(queue)].insert(0, raw)
            self.name_queue(keys.queue(queue))
        elif to == "dead":
            stays = name == keys.DEAD and raw == member
            if not self.bury(raw)[0]:
                return ERROR
            if stays:
                self.merged -= 1
                return to
        else:
            self.finished += 1
        if self.zsets[name].pop(member, None) is None:
            # It was among the surplus of the dead set by then, and counted there.
            self.trimmed -= 1
        return to

    def swap(self, queue: str, raw: bytes, new: bytes, target: str) -> bool | str:
        """One entry of a queue goes as another one is pushed."""
        if keys.queue(queue) in self.wrong:
            return ERROR
        if raw not in self.lists[keys.queue(queue)]:
            return False
        if keys.queue(target) in self.wrong:
            return ERROR
        self.lists[keys.queue(target)].insert(0, new)
        self.name_queue(keys.queue(target))
        _remove_last(self.lists[keys.queue(queue)], raw)
        return True

    def beat(self, worker: str) -> tuple[bool, bool, bool]:
        """Whether it is buried, whether its lease was known, whether errors are told."""
        if worker in self.names[keys.BURIED]:
            return True, False, False
        known = self.is_alive(worker)
        own = (keys.OWNERS, keys.owner_queues(worker))
        has_errors = not self.wrong.isdisjoint({keys.BURIED, keys.PROCESSES, *own})
        self._remove(keys.lease(worker))
        self.strings[keys.lease(worker)] = "beat"
        self.wrong.difference_update(own)
        self.names[keys.OWNERS].add(worker)
        self.names[keys.owner_queues(worker)].update(QUEUES)
        if keys.PROCESSES not in self.wrong:
            self.names[keys.PROCESSES].add(worker)
        return False, known, has_errors

    def look(self) -> tuple[set[str], set[str]]:
        """Owners without a lease, and buried ones with entries."""
        missing = {worker for worker in self.names[keys.OWNERS] if not self.is_alive(worker)}
        holding = {
            worker
            for worker in self.names[keys.BURIED]
            for queue in self.names[keys.owner_queues(worker)]
            if (inflight := keys.inflight(worker, queue)) not in self.wrong and self.lists[inflight]
        }
        return missing, holding

    def restore(self) -> set[str]:
        """Lost owners become owners again: those with queues, not buried, without a lease."""
        lost = {
            worker
            for worker in WORKERS
            if (self.names[keys.owner_queues(worker)] or keys.owner_queues(worker) in self.wrong)
            and worker not in self.names[keys.OWNERS] | self.names[keys.BURIED]
            and not self.is_alive(worker)
        }
        if lost:
            self.wrong.discard(keys.OWNERS)
            self.names[keys.OWNERS] |= lost
        return lost

    def declare_dead(self, worker: str, by: str) -> set[str] | None:
        """The queues of a dead owner; None if it lives or another recovers it."""
        if self.is_alive(worker) or self.strings.get(keys.RECOVERY_LOCK, by) != by:
            return None
        self._remove(keys.RECOVERY_LOCK)
        self.strings[keys.RECOVERY_LOCK] = by
        self.wrong.discard(keys.BURIED)
        self.names[keys.BURIED].add(worker)
        if keys.PROCESSES not in self.wrong:
            self.names[keys.PROCESSES].discard(worker)
        if known := set(self.names[keys.owner_queues(worker)]):
            return known
        return set() if keys.QUEUES in self.wrong else set(self.names[keys.QUEUES])

    def salvage(self, worker: str, queue: str, raw: bytes, new: bytes, to: str) -> int | str:
        """One entry of a dead owner's list."""
        inflight = keys.inflight(worker, queue)
        if inflight in self.wrong:
            return ERROR
        if raw not in self.lists[inflight]:
            return 0
        if to == "queue":
            if keys.queue(queue) in self.wrong:
                return ERROR
            self.lists[keys.queue(queue)].append(new)
            self.name_queue(keys.queue(queue))
        elif to == "dead":
            if not self.bury(new)[0]:
                return ERROR
        else:
            self.finished += 1
        _remove_last(self.lists[inflight], raw)
        return 1

    def leave(self, worker: str, *, is_inspected: bool) -> bool:
        """An owner goes, if its lists are empty."""
        if keys.PROCESSES not in self.wrong:
            self.names[keys.PROCESSES].discard(worker)
        if any(key in self.wrong or self.lists[key] for key in (keys.inflight(worker, q) for q in QUEUES)):
            return False
        if worker not in self.names[keys.BURIED]:
            if is_inspected:
                self.wrong.discard(keys.BURIED)
                self.names[keys.BURIED].add(worker)
            else:
                self._remove(keys.owner_queues(worker))
        self._remove(keys.lease(worker))
        self._remove(keys.settled(worker))
        if keys.OWNERS not in self.wrong:
            self.names[keys.OWNERS].discard(worker)
        return True

    # What must be so.

    def held(self, worker: str) -> list[tuple[int, bytes]]:
        """Place and payload of all that a worker holds."""
        return [(place, raw) for place, queue in enumerate(QUEUES) for raw in self.lists[keys.inflight(worker, queue)]]

    def all_jobs(self) -> list[bytes]:
        """Every payload in every place."""
        return [raw for place in (*self.lists.values(), *self.zsets.values()) for raw in place]

    def state(self) -> dict[str, object]:
        """What Redis should hold, in the form in which the machine reads it."""
        state: dict[str, object] = {}
        state |= {key: tuple(held) for key, held in self.lists.items() if held}
        state |= {key: tuple(self.ordered(key)) for key in self.zsets if self.zsets[key]}
        state |= {key: frozenset(names) for key, names in self.names.items() if names}
        state |= {key: str(count) for key, count in self.counters.items() if count}
        state |= {
            keys.settled(worker): {CAPSULE: f"{number} {results} {trimmed}"}
            for worker, (number, results, trimmed) in self.settled.items()
        }
        state |= dict(self.strings)
        return state | dict.fromkeys(self.wrong, "wrong")


def _remove_last(held: list[bytes], raw: bytes) -> None:
    """LREM from the tail, of one."""
    del held[len(held) - 1 - held[::-1].index(raw)]
