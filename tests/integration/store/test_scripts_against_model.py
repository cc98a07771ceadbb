"""Every script, driven through the classes that use it, against a model in plain Python."""

import asyncio
from uuid import uuid4

import hypothesis.strategies as st
import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from sidelong.core.config import Config
from sidelong.core.delivery import Delivery
from sidelong.core.outcome import BURIED, DONE, DROPPED, HANDED_BACK, Dead, Outcome, Retry, Rewritten
from sidelong.errors import NotEnqueued, Refused
from sidelong.store import keys
from sidelong.store.embedded import embedded_server
from sidelong.store.processes import Beat, Salvage
from sidelong.store.pusher import Push
from sidelong.store.queues import Batch, Turn
from sidelong.store.set_pages import SetPages
from sidelong.store.sets import Move
from sidelong.store.store import Store
from sidelong.store.stored_queue import StoredQueue
from tests.integration.store import model
from tests.integration.store.model import CAPSULE, QUEUES, WORKERS, Model, Settle
from tests.support.keys import catalogue, leaks
from tests.support.redis_server import Database

ASIDE = "aside:"
TWINS = (b'{"twin":1}', b'{"twin":2}')
PLACES = st.integers(0, len(QUEUES) - 1)
TAKES = st.lists(st.tuples(PLACES, st.integers(0, 5)), max_size=4)
OPERATIONS = st.sampled_from(("done", "done", "dropped", "retry", "dead", "bury", "back", "rewrite"))
SOME_WORKER = st.sampled_from(WORKERS)
SOME_QUEUE = st.sampled_from(QUEUES)


class ScriptsMachine(RuleBasedStateMachine):
    """Two workers, two queues, one database; after each step Redis must hold what the model holds."""

    def __init__(self, url: str, client: redis.Redis) -> None:
        super().__init__()
        client.flushdb()
        self.client = client
        self.model = Model()
        self.loop = asyncio.new_event_loop()
        self.store = Store(Config(redis_url=url, dead_max_jobs=model.DEAD_MAX))
        self.link = self.wait(self._link())
        self.sets = self.store.timed_sets(self.link)
        self.pages = SetPages(self.link, self.store.scripts, self.store.config)
        self.owners = self.store.owners(self.link)
        self.hearts = {worker: self.store.heart(worker) for worker in WORKERS}
        self.queues = {
            worker: self.store.capsule_queues(self.link, identity=worker, capsule=CAPSULE, names=list(QUEUES))
            for worker in WORKERS
        }
        self.number = dict.fromkeys(WORKERS, 0)
        self.last: dict[str, tuple[Batch, list[Settle]]] = {}
        self.made = 0
        for worker in WORKERS:
            self.beat(worker)

    async def _link(self):
        return self.store.link("test")

    def wait(self, awaitable):
        return self.loop.run_until_complete(awaitable)

    def teardown(self) -> None:
        for key in list(self.model.wrong):
            self.heal(key)
        left = leaks(self.client, catalogue())
        for heart in self.hearts.values():
            heart.close()
        self.wait(self.link.close())
        self.wait(self.store.close())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        assert not left

    def fresh(self) -> bytes:
        self.made += 1
        return f'{{"n":{self.made}}}'.encode()

    def step(self) -> None:
        self.model.step += 1

    # Getting jobs in.

    @rule(data=st.data(), queues=st.lists(SOME_QUEUE, min_size=1, max_size=8), are_twins=st.booleans())
    def push(self, data, queues, are_twins):
        raws = st.sampled_from(TWINS) if are_twins else st.builds(self.fresh)
        pushes = [Push(uuid4().hex, queue, data.draw(raws)) for queue in queues]
        refused = [push.jid for push in pushes if not self.model.push(push.queue, push.raw)]
        self._push(pushes, refused)

    @rule(data=st.data(), count=st.integers(1, 4), is_due=st.booleans())
    def schedule(self, data, count, is_due):
        pushes, refused = [], []
        for _ in range(count):
            raw = self.fresh()
            at = float(self.made) if is_due else model.FAR + self.made
            pushes.append(Push(uuid4().hex, data.draw(SOME_QUEUE), raw, at))
            if not self.model.schedule(raw, at):
                refused.append(pushes[-1].jid)
        self._push(pushes, refused)

    def _push(self, pushes: list[Push], refused: list[str]) -> None:
        async def push() -> None:
            await self.store.pusher.push(pushes)

        if not refused:
            self.wait(push())
            return
        with pytest.raises(NotEnqueued) as caught:
            self.wait(push())
        assert list(caught.value.jids) == refused
        assert list(caught.value.enqueued) == [push.jid for push in pushes if push.jid not in refused]

    @rule()
    def an_old_dead_job(self):
        raw = self.fresh()
        if keys.DEAD not in self.model.wrong:
            self.client.zadd(keys.DEAD, {raw: self.made})
            self.model.add(keys.DEAD, raw, float(self.made))
            self.model.pushed += 1

    # Taking and settling.

    @rule(worker=SOME_WORKER, free=st.integers(1, 8), takes=TAKES)
    def take(self, worker, free, takes):
        self._turn(worker, [], free, takes)

    @precondition(lambda self: self.model.all_jobs())
    @rule(data=st.data(), worker=SOME_WORKER, free=st.integers(0, 6), takes=TAKES)
    def settle(self, data, worker, free, takes):
        held = self.model.held(worker)
        mine = data.draw(st.lists(st.sampled_from(held), max_size=6)) if held else []
        foreign = st.tuples(PLACES, st.sampled_from(self.model.all_jobs()))
        entries = mine + data.draw(st.lists(foreign, max_size=2))
        settles = [
            Settle(data.draw(OPERATIONS), place, raw, self.fresh(), data.draw(st.booleans())) for place, raw in entries
        ]
        self._turn(worker, settles, free, takes)

    @precondition(lambda self: self.last)
    @rule(data=st.data())
    def repeat(self, data):
        worker = data.draw(st.sampled_from(sorted(self.last)))
        batch, settles = self.last[worker]
        self._compare(worker, batch, settles)

    @precondition(lambda self: self.last)
    @rule(data=st.data())
    def send_a_stale_batch(self, data):
        worker = data.draw(st.sampled_from(sorted(self.last)))
        batch, settles = self.last[worker]
        old = Batch(batch.number - 1, batch.deliveries, 2, [(0, 2)])
        self._compare(worker, old, settles)

    def _turn(self, worker, settles, free, takes):
        deliveries = []
        for settle in settles:
            delivery = Delivery(settle.raw, settle.place, QUEUES[settle.place])
            delivery.outcome = _outcome(settle)
            deliveries.append(delivery)
        self.number[worker] += 2
        batch = Batch(self.number[worker], deliveries, free, takes)
        self.last[worker] = (batch, settles)
        self._compare(worker, batch, settles)

    def _compare(self, worker: str, batch: Batch, settles: list[Settle]) -> None:
        self.step()
        order = _script_order(settles)
        expected = self.model.turn(worker, batch.number, [settles[i] for i in order], batch.free, batch.takes)

        turn: Turn = self.wait(self.queues[worker].turn(batch))

        deliveries = [batch.deliveries[i] for i in order]
        results = "e" * len(order) if expected.is_stale else expected.results
        assert list(turn.settled) == [d for d, r in zip(deliveries, results, strict=True) if r == "1"]
        assert list(turn.lost) == [d for d, r in zip(deliveries, results, strict=True) if r == "0"]
        assert list(turn.unsettled) == [d for d, r in zip(deliveries, results, strict=True) if r == "e"]
        assert list(turn.taken) == expected.taken
        assert turn.is_owner == expected.is_owner
        assert turn.trimmed == expected.trimmed

    # Sets.

    @rule(data=st.data(), name=st.sampled_from(model.JOB_SETS))
    def move(self, data, name):
        members = self.model.ordered(name)
        chosen = data.draw(st.lists(st.sampled_from(members), max_size=5)) if members else []
        moves, seen = [], []
        for member in [*chosen, b"never there"]:
            to = data.draw(st.sampled_from(("queue", "queue", "dead", "later", "at", "drop")))
            raw = member if data.draw(st.booleans()) else self.fresh()
            is_chosen = data.draw(st.sampled_from((None, True, True, False)))
            score = self.client.zscore(name, member) if is_chosen and name not in self.model.wrong else -1.0
            seen_at = None if is_chosen is None else -1.0 if score is None else score
            seen.append(seen_at if seen_at in (None, -1.0) else self.model.zsets[name][member])
            at = model.FAR + self.made
            moves.append(Move(member, to, data.draw(SOME_QUEUE), raw, delay=1000, at=at, seen_at=seen_at))
        self.step()
        expected = [
            self.model.move(name, m.member, m.to, m.queue, m.raw, m.at, as_modelled)
            for m, as_modelled in zip(moves, seen, strict=True)
        ]

        answers = self.wait(self.sets.move(name, moves))

        done = ("queue", "dead", "later", "at", "drop", "gone")
        assert [answer if answer in done else model.ERROR for answer in answers] == expected

    @rule(data=st.data(), name=st.sampled_from(model.JOB_SETS), limit=st.integers(1, 4), is_upwards=st.booleans())
    def read_in_pages(self, data, name, limit, is_upwards):
        if name in self.model.wrong:
            with pytest.raises(Refused, match=f"WRONGTYPE .*{name}"):
                self.wait(self.pages.page(name, "up", limit))
            return
        found, last = [], None
        while page := self.wait(self.pages.page(name, "up" if is_upwards else "down", limit, after=last)):
            assert len(page) <= limit
            found += [raw for raw, _ in page]
            last = page[-1]

        assert found == self.model.ordered(name)[:: 1 if is_upwards else -1]

    @rule()
    def see_what_is_due(self):
        answer = self.wait(self.sets.due())
        now, found = answer.now, answer.sets

        assert now > model.NOW
        assert [due.name for due in found] == [keys.RETRY, keys.SCHEDULE]
        for due in found:
            expected = self.model.due(due.name)
            assert (due.error is not None) == (expected is None)
            assert list(due.members) == (expected or [])
            is_empty = due.name in self.model.wrong or not self.model.zsets[due.name]
            assert (due.next_at is None) == is_empty

    # Queues.

    @rule(data=st.data(), queue=SOME_QUEUE, goal=SOME_QUEUE, is_there=st.sampled_from((True, True, False)))
    def swap(self, data, queue, goal, is_there):
        waiting = self.model.lists[keys.queue(queue)]
        raw = data.draw(st.sampled_from(waiting)) if is_there and waiting else b"never there"
        new = raw if data.draw(st.booleans()) else self.fresh()
        expected = self.model.swap(queue, raw, new, goal)
        stored = StoredQueue(self.link, self.store.scripts, queue)

        if expected == model.ERROR:
            with pytest.raises(Refused, match="WRONGTYPE"):
                self.wait(stored.swap(raw, new, goal))
        else:
            assert self.wait(stored.swap(raw, new, goal)) == expected

    # Owners.

    @rule(worker=SOME_WORKER)
    def beat(self, worker):
        is_buried, known, has_errors = self.model.beat(worker)

        answer = self.hearts[worker].beat(Beat(1, QUEUES, {"busy": 0, "beat": 1.5, "info": b"{}"}, {"tid": b"{}"}))

        assert answer.is_buried == is_buried
        assert answer.was_known == known
        assert bool(answer.errors) == has_errors

    @rule(key=st.sampled_from((*map(keys.lease, WORKERS), keys.RECOVERY_LOCK)))
    def let_expire(self, key):
        if key not in self.model.wrong:
            self.client.delete(key)
        self.model.expire(key)

    @rule()
    def look(self):
        sighting = self.wait(self.owners.look(by=WORKERS[0]))

        missing, holding = self.model.look()
        assert sighting.is_listed == (WORKERS[0] in self.model.names[keys.OWNERS])
        assert set(sighting.missing) == missing
        assert set(sighting.holding) == holding

    @rule()
    def restore(self):
        cursor, restored = self.wait(self.owners.restore(0))

        assert cursor == 0
        assert set(restored) == self.model.restore()

    @rule(worker=SOME_WORKER, by=st.sampled_from(("one", "two")))
    def bury(self, worker, by):
        expected = self.model.declare_dead(worker, by)

        found = self.wait(self.owners.bury(worker, by=by))
        assert found is None if expected is None else set(found) == expected

    @rule(data=st.data(), worker=SOME_WORKER, queue=SOME_QUEUE)
    def salvage(self, data, worker, queue):
        inflight = keys.inflight(worker, queue)
        held = self.model.lists[inflight]
        if inflight not in self.model.wrong:
            assert self.wait(self.owners.held(worker, queue)) == held
        raws = data.draw(st.lists(st.sampled_from(held), max_size=5)) if held else []
        salvages = [
            Salvage(raw, self.fresh(), data.draw(st.sampled_from(("queue", "queue", "dead", "drop"))))
            for raw in [*raws, b"never there"]
        ]
        self.step()
        if self.model.is_alive(worker):
            assert self.wait(self.owners.salvage(worker, queue, salvages)) is None
            return
        expected = [self.model.salvage(worker, queue, s.raw, s.new, s.to) for s in salvages]

        answers = self.wait(self.owners.salvage(worker, queue, salvages))

        assert [model.ERROR if isinstance(answer, str) else answer for answer in answers] == expected

    @rule(worker=SOME_WORKER, inspect_for=st.sampled_from((0, 60)))
    def leave(self, worker, inspect_for):
        expected = self.model.leave(worker, is_inspected=inspect_for > 0)

        assert self.wait(self.owners.leave(worker, QUEUES, inspect_for=inspect_for)) == expected

    # Faults.

    @rule(key=st.sampled_from(model.ALL_KEYS))
    def replace_with_a_wrong_type(self, key):
        if key in self.model.wrong:
            return
        if key in (*model.JOB_LISTS, *model.JOB_SETS) and self.client.exists(key):
            self.client.rename(key, ASIDE + key)
        self.client.delete(key)
        if key in model.STRINGS:
            self.client.rpush(key, "wrong")
        else:
            self.client.set(key, "wrong")
        self.model.break_key(key)

    @precondition(lambda self: self.model.wrong)
    @rule(data=st.data())
    def heal_one(self, data):
        self.heal(data.draw(st.sampled_from(sorted(self.model.wrong))))

    def heal(self, key: str) -> None:
        self.client.delete(key)
        if self.client.exists(ASIDE + key):
            self.client.rename(ASIDE + key, key)
        self.model.heal(key)

    @rule()
    def forget_the_scripts(self):
        self.client.script_flush()

    # What must be so after each step.

    @invariant()
    def every_job_is_in_one_place_or_was_settled_for_good(self):
        jobs = self.model
        assert jobs.pushed == len(jobs.all_jobs()) + jobs.finished + jobs.merged + jobs.trimmed

    @invariant()
    def redis_holds_what_the_model_holds(self):
        assert _read(self.client) == self.model.state()


def _outcome(settle: Settle) -> Outcome:
    match settle.operation:
        case "retry":
            return Retry(settle.new, 1000.0 if settle.is_later else 0.0)
        case "dead":
            return Dead(settle.new)
        case "rewrite":
            return Rewritten(settle.new)
        case operation:
            return {"done": DONE, "dropped": DROPPED, "bury": BURIED, "back": HANDED_BACK}[operation]


def _script_order(settles: list[Settle]) -> list[int]:
    """Entries of one operation and queue go together, in the order in which the first of each came."""
    groups: dict[tuple[str, int], list[int]] = {}
    for index, settle in enumerate(settles):
        groups.setdefault((settle.operation, settle.place), []).append(index)
    return [index for group in groups.values() for index in group]


def _read(client: redis.Redis) -> dict[str, object]:
    """Read the database in the form of `Model.state`; what pages show and daily counters are left out."""
    skipped = {name for worker in WORKERS for name in (worker, f"{worker}:work", f"{worker}:workers")}
    found = sorted(key.decode() for key in client.scan_iter(count=1000))
    names = [name for name in found if name not in skipped and not name.startswith(("stat:processed:", "stat:failed:"))]
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.type(name)
    types = [kind.decode() for kind in pipe.execute()]
    for name, kind in zip(names, types, strict=True):
        match kind:
            case "string":
                pipe.get(name)
            case "list":
                pipe.lrange(name, 0, -1)
            case "set":
                pipe.smembers(name)
            case "hash":
                pipe.hgetall(name)
            case "zset":
                pipe.zrange(name, 0, -1)
    values = pipe.execute()
    state = {}
    aside = {}
    for name, value in zip(names, values, strict=True):
        if name.startswith(ASIDE):
            aside[name.removeprefix(ASIDE)] = value
        else:
            state[name] = _plain(name, value)
    for name in aside:
        assert state[name] == "wrong"
    return state


def _plain(name: str, value: object) -> object:
    match value:
        case b"wrong" | [b"wrong"]:
            return "wrong"
        case bytes():
            return "beat" if name.startswith("sidelong:lease:") else value.decode()
        case dict():
            return {field.decode(): text.decode() for field, text in value.items()}
        case set() | frozenset():
            return frozenset(member.decode() for member in value)
        case list() if name == keys.BURIED:
            return frozenset(member.decode() for member in value)
        case list():
            return tuple(value)
    return value


def _run(url: str, client: redis.Redis, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        lambda: ScriptsMachine(url, client),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_scripts_do_what_the_model_does_on_a_server(redis_server: Database, redis_client: redis.Redis) -> None:
    _run(redis_server.url, redis_client, examples=150, steps=60)


def test_scripts_do_what_the_model_does_in_memory() -> None:
    name = uuid4().hex
    with embedded_server(name).client() as client:
        _run(f"memory://{name}", client, examples=30, steps=40)
