"""What becomes of the workers of a run: recovered soon, never wrongly, and gone without a trace."""

import pytest

from tests.chaos.events import CUT_OFF, EXITED, FROZEN, RECOVERED, REJOINED, SAMPLE, THAWED
from tests.support.redis_state import Entry
from tests.unit.chaos.story import GRACE, RUNNER, TTL, P, Q, R, Story, identity

LONG = TTL + GRACE
POISON = "sidelong.PoisonPill"


# How soon.


def test_the_time_from_a_death_until_its_jobs_run_elsewhere_is_measured() -> None:
    story = (
        Story(P, Q)
        .push("a", "b")
        .start(P, "a", "b")
        .kill(P)
        .wait(5)
        .recover(Q, P, "a")
        .start(Q, "a")
        .wait(2)
        .start(Q, "b")
        .end(Q, "a", "b")
    )

    assert story.complaints() == []
    figures = story.verdict().figures
    assert figures["recovered within"] == pytest.approx(7, abs=0.1)
    assert figures["median recovery"] == pytest.approx(6, abs=0.1)


def test_a_recovery_that_takes_too_long_is_told() -> None:
    story = Story(P, Q).push("a").start(P, "a").kill(P).wait(9).recover(Q, P, "a").run(Q, "a")

    assert story.complaints() == ["I7: 1 jobs of 11, killed at 0.005 s, began later than 8 s: a (quick) after 9.0 s"]


def test_without_a_limit_it_is_only_reported() -> None:
    story = Story(P, Q).push("a").start(P, "a").kill(P).wait(9).recover(Q, P, "a").run(Q, "a")

    assert story.complaints(recovers_within=None) == []


def test_a_recovery_that_redis_held_up_is_reported_apart() -> None:
    story = Story(P, Q).push("a").start(P, "a").kill(P).redis_leaves().wait(20).redis_returns().wait(LONG)
    story.recover(Q, P, "a").run(Q, "a")

    assert story.complaints() == []
    figures = story.verdict().figures
    assert (figures["recoveries"], figures["recoveries disturbed"]) == (0, 1)


def test_a_recovery_while_another_worker_starved_is_reported_apart() -> None:
    story = Story(P, Q, R).push("a").start(P, "a").kill(P).silence(R).wait(4).unsilence(R).wait(8)
    story.recover(Q, P, "a").run(Q, "a")

    assert story.complaints() == []


def test_a_recovery_that_nobody_was_there_for_is_reported_apart() -> None:
    story = Story(P, Q).push("a").start(P, "a").kill(P).wait(1).kill(Q).wait(10).life(R).wait(LONG)
    story.recover(R, P, "a").run(R, "a")

    assert story.complaints() == []


def test_a_job_that_had_ended_before_the_death_is_not_measured() -> None:
    story = Story(P, Q).push("a").start(P, "a").tell(P, "END", "a").kill(P).wait(20).recover(Q, P, "a").run(Q, "a")

    assert story.complaints() == []
    assert story.verdict().figures["recovered within"] == "-"


# Wrongly.


def test_who_lives_and_beats_may_not_be_declared_dead() -> None:
    story = Story(P, Q).wait(LONG).recover(Q, P)

    assert story.complaints() == [f"I7: 12 declared {identity(P)} dead at 4.004 s, which process 11 was serving as"]


@pytest.mark.parametrize(("begins", "ends"), [(FROZEN, THAWED), (CUT_OFF, REJOINED)], ids=["frozen", "cut off"])
def test_who_was_out_of_reach_may_be_declared_dead(begins: str, ends: str) -> None:
    story = Story(P, Q).silence(P, begins).wait(LONG).unsilence(P, ends).recover(Q, P)

    assert story.complaints() == []


def test_nobody_may_be_declared_dead_because_redis_was_away() -> None:
    story = Story(P, Q).redis_leaves().wait(60).redis_returns().recover(Q, P)

    assert story.verdict().figures["wrongful recoveries"] == 1


def test_who_left_in_order_may_not_be_declared_dead() -> None:
    story = Story(P, Q).wait(1).stop(P).leave(P).wait(LONG).recover(Q, P)

    assert story.complaints() == [f"I7: 12 declared {identity(P)} dead at 5.007 s, which had left in order"]


def test_who_could_not_leave_in_order_may_be_declared_dead() -> None:
    story = Story(P, Q).wait(1).stop(P).redis_leaves().leave(P).redis_returns().wait(LONG).recover(Q, P)

    assert story.complaints() == []


def test_an_identity_that_its_process_has_left_may_be_looked_after() -> None:
    story = Story(P, Q, R).kill(R).wait(LONG).recover(Q, R).life(P, "host:11:abc").recover(Q, P).wait(1)

    assert story.complaints() == []


# Poison.


def test_a_killer_is_buried_after_three_deaths() -> None:
    story = Story(P, Q, R, 14).push("a", job="kill_self", ends="dead", acks=0)
    for pid in (P, Q, R):
        story.start(pid, "a").kill(pid).wait(LONG).recover(14, pid, "a")

    assert story.bury("a", error_class=POISON).complaints() == []


def test_a_killer_that_needed_more_deaths_is_told_unless_others_died_as_well() -> None:
    def story() -> Story:
        told = Story(P, Q, R, 14, 15).push("a", job="kill_self", ends="dead", acks=0)
        for pid in (P, Q, R, 14):
            told.start(pid, "a").kill(pid).wait(LONG).recover(15, pid)
        return told.bury("a", error_class=POISON)

    assert story().complaints() == ["poison: a (kill_self) began 4 times, 4 of them in a process that died of it"]
    assert story().complaints(kills_at_random=True) == []


def test_a_killer_that_was_buried_too_soon_is_told() -> None:
    story = (
        Story(P, Q).push("a", job="kill_self", ends="dead", acks=0).start(P, "a").kill(P).bury("a", error_class=POISON)
    )

    assert story.complaints(kills_at_random=True) == ["poison: a (kill_self) was buried after 1 deaths"]


def test_a_killer_that_died_of_something_else_is_told() -> None:
    story = Story(P).push("a", job="kill_self", ends="dead", acks=0).bury("a", error_class="ValueError")

    assert story.complaints() == ["poison: a (kill_self) is dead for ValueError"]


def test_an_innocent_may_be_buried_only_for_three_deaths_at_random() -> None:
    def story(*deaths: int) -> Story:
        told = Story(P, Q, R, 14).push("a")
        for pid in deaths:
            told.start(pid, "a").kill(pid).wait(LONG).recover(14, pid)
        return told.bury("a", error_class=POISON)

    assert story(P, Q, R).complaints(kills_at_random=True) == []
    assert story(P, Q).complaints(kills_at_random=True) == [
        "poison: an innocent was buried: a (quick), which met 2 deaths"
    ]
    assert story(P, Q, R).complaints() == ["poison: an innocent was buried: a (quick), which met 3 deaths"]


def test_a_death_before_the_job_began_counts_if_it_was_recovered() -> None:
    story = Story(P, Q, R, 14).push("a").start(P, "a").kill(P).wait(LONG).recover(R, P, "a")
    story.start(Q, "a").kill(Q).wait(LONG)

    story.kill(R).wait(LONG).tell(14, RECOVERED, "a", who=identity(R), to="dead").bury("a", error_class=POISON)

    assert story.complaints(kills_at_random=True) == []


# What is left in Redis.


def test_declared_keys_and_those_of_the_program_may_be_left() -> None:
    story = Story(P)
    story.dump |= {
        "queues": Entry("set", frozenset({b"default"})),
        "chaos:unique": Entry("string", b"1"),
        f"sidelong:lease:{identity(R)}": Entry("string", b"1", ttl=1.0),
    }

    assert story.complaints() == []


@pytest.mark.parametrize(
    ("key", "entry", "complaint"),
    [
        ("another", Entry("string", b"1"), "I5: key left: 'another': is a string that the catalogue does not know"),
        (
            "sidelong:owners",
            Entry("set", frozenset({identity(P).encode()})),
            f"I5: {identity(P)} is still an owner of in-flight lists",
        ),
        (
            f"sidelong:lease:{identity(P)}",
            Entry("string", b"1", ttl=1.0),
            "I5: the lease of 11 is there although it left in order",
        ),
    ],
    ids=["unknown", "owner", "lease"],
)
def test_a_key_that_should_not_be_there_is_told(key: str, entry: Entry, complaint: str) -> None:
    story = Story(P)
    story.dump[key] = entry

    assert story.complaints() == [complaint]


def test_an_owner_that_died_when_the_others_stopped_is_left_to_the_next_worker() -> None:
    def story(seconds: float) -> Story:
        told = Story(P, Q).kill(P).wait(seconds)
        told.dump["sidelong:owners"] = Entry("set", frozenset({identity(P).encode()}))
        return told

    assert story(1.0).complaints() == []
    assert len(story(10.0).complaints()) == 1


# How they end, and what they use.


def test_a_worker_that_fails_when_it_is_told_to_stop_is_told() -> None:
    story = Story(P).stop(P).leave(P, status=1)

    assert story.complaints() == ["I8: 11, told to stop, exited with status 1 at 0.002 s"]


def test_a_worker_that_ends_by_itself_is_told() -> None:
    story = Story(P).leave(P)

    assert story.complaints() == ["I8: 11, not told to stop, ended at 0.001 s"]


def test_a_worker_that_never_ends_is_told() -> None:
    story = Story(P).rest().stop(R)

    assert [violation.text for violation in story.verdict().violations] == ["13, told to stop at 0.005 s, never ended"]


def test_a_worker_that_had_to_be_killed_at_the_end_is_told() -> None:
    story = Story(P, Q).rest().stop(R).tell(RUNNER, "KILLED", "", str(R))

    assert [violation.text for violation in story.verdict().violations] == [
        "13, told to stop at 0.008 s, had to be killed"
    ]


def test_a_worker_that_could_not_start_is_only_counted() -> None:
    story = Story(P).redis_leaves().tell(RUNNER, EXITED, pid=Q, status=1).redis_returns()

    assert story.complaints() == []
    assert story.verdict().figures["failed starts"] == 1


def test_samples_give_the_most_that_any_worker_used() -> None:
    story = Story(P).wait(20).tell(RUNNER, SAMPLE, pid=P, rss=70_000, fds=20, log=4000)

    assert story.complaints() == []
    figures = story.verdict().figures
    assert (figures["most rss (kB)"], figures["most fds"], figures["most log bytes per second"]) == (70_000, 20, 200)


def test_a_worker_that_uses_more_and_more_is_told() -> None:
    story = Story(P).tell(RUNNER, SAMPLE, pid=P, fds=20).wait(20).tell(RUNNER, SAMPLE, pid=P, fds=90, log=10_000_000)

    assert story.complaints() == [
        "I8: the open files of 11 grew from 20 to 90",
        "I8: 11 logged 499,925 bytes a second",
    ]
