"""One run: faults strike while jobs are pushed and run, all is healed, everything comes to rest, and is checked."""

import json
import random
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import redis

from tests.chaos import dump_file
from tests.chaos.events import NEMESIS, QUIET, RESTED, words
from tests.chaos.kept_run import DUMP, PLAN, KeptRun
from tests.chaos.mix import QUEUES, killers
from tests.chaos.nemesis import Nemesis
from tests.chaos.plans import Plan
from tests.chaos.site import RunFailedError, Setting, Site
from tests.chaos.verdict import Verdict
from tests.support import redis_state, seeding

_LOOK_EVERY = 0.2
_GAP = 1.0


def run(plan: Plan, seed: int, directory: Path, *, broken: str = "") -> Verdict:
    """Run a plan and return what the checker says; ledger, logs and dump are in `directory` afterwards.

    Args:
        plan: what to do.
        seed: makes the jobs and the timetable repeatable.
        directory: empty, or not there yet.
        broken: in which way all processes are broken on purpose.

    Raises:
        RunFailedError: it could not be run to its end.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / PLAN).write_text(json.dumps({"seed": seed, "broken": broken, **asdict(plan)}, indent=2) + "\n")
    setting = Setting(
        needs=plan.needs,
        appendonly=plan.appendonly,
        workers=plan.workers,
        concurrency=plan.concurrency,
        timings=plan.timings,
        timeout=plan.timeout,
        broken=broken,
        overrides=dict(plan.overrides),
    )
    with Site(setting, directory) as site:
        site.produce(plan.mix, plan.jobs, seed, plan.seconds)
        _push_killers(site, plan, random.Random(seed))
        _strike_all(site, plan, seed)
        # A worker that is broken may not take what was pushed, but pushing itself ends.
        site.wait_for_producers(plan.seconds + plan.rests_within)
        site.ledger.write(QUIET)
        _come_to_rest(site, plan.rests_within)
        site.is_over.set()
        site.fleet.stop()
        with site.client() as client:
            dump = redis_state.dump(client)
    dump_file.save(directory / DUMP, dump)
    return KeptRun.read(directory).check()


# What happens.


def _push_killers(site: Site, plan: Plan, chance: random.Random) -> None:
    if plan.killers:
        site.wait(chance.uniform(0.3, 0.6) * plan.seconds)
    for planned in killers(plan.killers):
        site.push(planned)


def _strike_all(site: Site, plan: Plan, seed: int) -> None:
    """Let every fault strike as often as planned, each in a thread of its own; return when all have.

    Raises:
        RunFailedError: a fault could not be done.
    """
    began = time.monotonic()
    failures: list[str] = []

    def strike_often(nemesis: Nemesis, times: int) -> None:
        chance = random.Random(f"{seed} {nemesis.name}")
        moments = sorted(chance.uniform(0.03, 0.95) * plan.seconds for _ in range(times))
        try:
            for moment in moments:
                site.wait(began + moment - time.monotonic())
                site.ledger.write(NEMESIS, extra=f"name={nemesis.name} is=begin")
                nemesis.strike(site, chance)
                site.ledger.write(NEMESIS, extra=f"name={nemesis.name} is=end")
                # Those that are overdue must not strike what has not noticed the last one yet.
                site.wait(min(_GAP, nemesis.lasts / 2))
        except Exception:
            failures.append(traceback.format_exc())

    threads = [threading.Thread(target=strike_often, args=each, daemon=True) for each in plan.nemeses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RunFailedError("a fault could not be done:\n" + "\n".join(failures))


def _come_to_rest(site: Site, within: float) -> None:
    began = time.monotonic()
    while left := _unrested(site):
        if time.monotonic() - began > within:
            break
        time.sleep(_LOOK_EVERY)
    site.ledger.write(RESTED, extra=words(after=f"{time.monotonic() - began:.1f}", left=left))


def _unrested(site: Site) -> int:
    """Return how many jobs wait, run or are due; what cannot be read counts as one."""
    left = 0
    with suppress(redis.RedisError), site.client() as client:
        for name in QUEUES:
            left += client.llen(f"queue:{name}")
        left += client.zcard("schedule") + client.zcard("retry")
        left += sum(map(len, seeding.in_flight(client).values()))
        return left
    return left or 1
