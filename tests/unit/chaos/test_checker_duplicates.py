"""A job runs twice only for a reason, and who has lost it changes nothing."""

import pytest

from tests.chaos.events import (
    BEATING,
    CUT_OFF,
    DECLARED,
    END,
    FAIL,
    FENCED,
    FROZEN,
    LOST,
    NEMESIS,
    ORPHAN,
    REJOINED,
    THAWED,
)
from tests.unit.chaos.story import GRACE, RUNNER, TTL, P, Q, R, Story, identity

LONG = TTL + GRACE


def figure(story: Story, name: str) -> object:
    return story.verdict().figures[name]


# What explains a second run.


def test_a_job_of_a_killed_process_may_begin_again() -> None:
    story = Story(P, Q).push("a").start(P, "a").kill(P).wait(LONG).recover(Q, P, "a").run(Q, "a")

    assert story.complaints() == []
    assert figure(story, "duplicates by killed") == 1


def test_a_death_that_nobody_has_noticed_yet_is_no_reason() -> None:
    story = Story(P, Q).push("a").start(P, "a").kill(P).wait(TTL).run(Q, "a").wait(TTL).recover(Q, P)

    assert "unexplained duplicate" in story.complaints()[0]


def test_who_recovers_a_job_may_tell_of_it_after_it_began_elsewhere() -> None:
    story = Story(P, Q, R).push("a").start(P, "a").kill(P).wait(LONG).start(R, "a").recover(Q, P, "a").end(R, "a")

    assert story.complaints() == []


def test_a_job_of_another_killed_process_may_not() -> None:
    story = Story(P, Q, R).push("a").start(P, "a").kill(R).wait(LONG).run(Q, "a")

    assert story.complaints() == [
        "I3: unexplained duplicate: a (quick), attempt 1, began in 11 at 0.005 s, and again in 12 at 4.009 s"
    ]


def test_a_process_that_was_killed_after_the_second_run_is_no_reason() -> None:
    story = Story(P, Q).push("a").start(P, "a").run(Q, "a").kill(P)

    assert "unexplained duplicate" in story.complaints()[0]


def test_a_job_that_was_settled_before_its_process_was_killed_may_not_begin_again() -> None:
    story = Story(P, Q).push("a", acks=2).run(P, "a").kill(P).wait(LONG).start(Q, "a")

    assert "began in 11 at 0.004 s, settled as done at 0.006 s, and again in 12" in story.complaints()[0]


@pytest.mark.parametrize(
    ("begins", "ends", "reason"),
    [(FROZEN, THAWED, "frozen"), (CUT_OFF, REJOINED, "cut off")],
    ids=["frozen", "cut off"],
)
def test_a_job_of_a_process_that_was_out_of_reach_may_begin_again(begins: str, ends: str, reason: str) -> None:
    story = Story(P, Q).push("a").start(P, "a").silence(P, begins).wait(LONG).recover(Q, P, "a").run(Q, "a")

    story.unsilence(P, ends).tell(P, LOST, "a")

    assert story.complaints() == []
    assert figure(story, f"duplicates by {reason}") == 1


@pytest.mark.parametrize(("begins", "ends"), [(FROZEN, THAWED), (CUT_OFF, REJOINED)], ids=["frozen", "cut off"])
def test_a_short_fault_is_no_reason(begins: str, ends: str) -> None:
    story = Story(P, Q).push("a").start(P, "a").silence(P, begins).wait(TTL / 2).unsilence(P, ends).run(Q, "a")

    assert "unexplained duplicate" in story.complaints()[0]


@pytest.mark.parametrize(("begins", "ends"), [(FROZEN, THAWED), (CUT_OFF, REJOINED)], ids=["frozen", "cut off"])
def test_a_fault_for_which_nobody_was_given_up_is_no_reason(begins: str, ends: str) -> None:
    story = Story(P, Q).silence(P, begins).wait(TTL + 0.1).unsilence(P, ends).push("a").start(P, "a").run(Q, "a")

    assert "unexplained duplicate" in story.complaints()[0]


def thawed(*signs: str, after: float = 0.0) -> Story:
    """P is frozen with a job that it has not begun; Q runs it, and P begins it as well, `after` seconds later."""
    story = Story(P, Q).push("a", acks=1).wait(1).silence(P, FROZEN).wait(LONG).recover(Q, P, "a").run(Q, "a")
    story.tell(RUNNER, THAWED, pid=P)
    for sign in signs:
        story.tell(P, sign, who=identity(P))
    return story.wait(after).start(P, "a").tell(P, END, "a").tell(P, LOST, "a").unsilence(P)


def test_a_process_that_was_frozen_before_a_job_began_may_begin_it_when_it_goes_on() -> None:
    story = thawed()

    assert story.complaints() == []
    assert figure(story, "duplicates by frozen") == 1


@pytest.mark.parametrize("story", [thawed(BEATING), thawed(FENCED), thawed(after=0.1)], ids=["beat", "fenced", "late"])
def test_a_process_that_can_know_that_it_was_given_up_may_not_begin_a_job(story: Story) -> None:
    assert "unexplained duplicate" in story.complaints()[0]


def test_a_fault_that_was_over_long_before_is_no_reason() -> None:
    story = Story(P, Q).silence(P, FROZEN).wait(LONG).unsilence(P, THAWED).wait(LONG)

    story.push("a").start(P, "a").run(Q, "a")

    assert "unexplained duplicate" in story.complaints()[0]


def test_a_freeze_ends_with_the_process() -> None:
    story = Story(P, Q).push("a").start(P, "a").silence(P, FROZEN).kill(P).wait(LONG).recover(Q, P, "a").run(Q, "a")

    story.complaints()

    assert figure(story, "duplicates by killed") == 1


def test_a_job_that_was_handed_back_at_a_stop_may_begin_again() -> None:
    story = Story(P, Q).push("a").stop(P).start(P, "a").tell(P, FAIL, "a").settle(P, "a", "back").leave(P).run(Q, "a")

    assert story.complaints() == []
    assert figure(story, "duplicates by stopped") == 1


def test_a_stop_may_leave_a_job_to_be_recovered() -> None:
    story = Story(P, Q).push("a").start(P, "a").stop(P).redis_leaves().leave(P).redis_returns().run(Q, "a")

    assert story.complaints() == []


def test_a_job_that_had_ended_long_before_a_stop_should_have_been_settled() -> None:
    story = Story(P, Q).push("a").start(P, "a").tell(P, END, "a").wait(3).stop(P).leave(P).run(Q, "a")

    assert "unexplained duplicate" in story.complaints()[0]


def test_a_job_that_ended_when_its_process_was_told_to_stop_may_begin_again() -> None:
    story = Story(P, Q).push("a").start(P, "a").tell(P, END, "a").wait(0.5).stop(P).leave(P).run(Q, "a")

    assert story.complaints() == []


def test_a_job_may_wait_to_be_settled_until_redis_is_back() -> None:
    story = Story(P, Q).push("a").start(P, "a").redis_leaves().tell(P, END, "a").wait(3).stop(P).redis_returns()

    story.leave(P).run(Q, "a")

    assert story.complaints() == []


def test_a_job_that_was_handed_back_without_a_stop_may_not_begin_again() -> None:
    story = Story(P, Q).push("a").start(P, "a").settle(P, "a", "back").run(Q, "a")

    assert "unexplained duplicate" in story.complaints()[0]


def test_a_forgetful_redis_may_have_undone_a_settle() -> None:
    def story(keeps: str) -> Story:
        told = Story(P, Q).push("a").start(P, "a").wait(9).end(P, "a").wait(1)
        return told.redis_dies(keeps).redis_returns().wait(1).run(Q, "a")

    assert story("second").complaints() == []
    assert "unexplained duplicate" in story("all").complaints()[0]


def test_a_process_that_the_machine_kept_from_beating_is_starved() -> None:
    story = Story(P, Q).push("a").start(P, "a").silence(P).wait(LONG).recover(Q, P, "a").unsilence(P).run(Q, "a")

    assert story.complaints() == []
    assert figure(story, "starved") == 1
    assert figure(story, "recoveries of the starved") == 1


def test_nobody_is_starved_while_redis_is_away() -> None:
    story = Story(P, Q).push("a").start(P, "a").redis_leaves().wait(LONG).redis_returns().run(Q, "a")

    assert "unexplained duplicate" in story.complaints()[0]


def test_another_attempt_is_no_duplicate() -> None:
    story = Story(P, Q).push("a", acks=2, fails=1).start(P, "a").fail(P, "a")

    story.start(Q, "a", attempt=2).end(Q, "a")

    assert story.complaints() == []
    assert figure(story, "began twice") == 0


def test_another_attempt_may_not_begin_while_the_one_before_goes_on() -> None:
    story = Story(P, Q).push("a", acks=2, fails=1).start(P, "a").settle(P, "a", "retry").start(Q, "a", attempt=2)

    story.tell(P, FAIL, "a").end(Q, "a")

    assert story.complaints() == [
        "I3: attempt 2 began too soon: a (quick), attempt 1, began in 11 at 0.004 s, settled as retry at 0.005 s, "
        "and again in 12 at 0.006 s"
    ]


def test_another_attempt_may_begin_while_one_goes_on_that_was_given_up() -> None:
    story = Story(P, Q).push("a", acks=2, fails=1).start(P, "a").silence(P, CUT_OFF).wait(LONG).recover(Q, P, "a")

    story.start(Q, "a").fail(Q, "a").start(Q, "a", attempt=2).end(Q, "a").tell(P, END, "a")

    assert story.unsilence(P, REJOINED).tell(P, LOST, "a").complaints() == []


@pytest.mark.parametrize(("keeps", "is_excused"), [("all", False), ("second", True)])
def test_no_attempt_is_left_out(keeps: str, is_excused: bool) -> None:
    story = Story(P).push("a", acks=2, fails=1).start(P, "a").fail(P, "a").redis_dies(keeps).redis_returns()

    complaints = story.start(P, "a", attempt=3).end(P, "a").complaints()

    assert complaints == ([] if is_excused else ["I3: a (quick) began attempt 3 in 11 at 0.008 s, and never attempt 2"])


# How many.


def test_a_death_explains_no_more_jobs_than_its_process_had_slots() -> None:
    jids = ("a", "b", "c")

    story = Story(P, Q).push(*jids).start(P, *jids).kill(P).wait(LONG).recover(Q, P, *jids).run(Q, *jids)

    assert story.complaints() == ["I3: 3 jobs began again after the death of 11, which has 2 slots, such as a"]


def test_a_process_that_took_a_new_identity_had_its_slots_anew() -> None:
    story = Story(P, Q).push("a", "b", "c", "d").start(P, "a", "b").wait(1).life(P, "host:11:abc")

    story.start(P, "c", "d").kill(P).wait(LONG)
    story.recover(Q, P).tell(Q, DECLARED, who="host:11:abc").run(Q, "a", "b", "c", "d")

    assert story.complaints() == []


def test_a_job_that_ended_twice_is_counted() -> None:
    story = Story(P, Q).push("a").start(P, "a").tell(P, END, "a").kill(P).wait(LONG).recover(Q, P).run(Q, "a")

    assert story.complaints() == []
    assert figure(story, "ended twice") == 1


def test_a_job_that_ended_twice_in_one_run_has_no_excuse() -> None:
    story = Story(P).push("a").start(P, "a").tell(P, END, "a").end(P, "a")

    assert story.complaints() == ["I3: a (quick) ended 2 times without an excuse: in 11 at 0.004 s, in 11 at 0.005 s"]


def test_runs_at_the_same_time_are_counted_while_both_processes_live() -> None:
    story = Story(P, Q).push("a", "b").start(P, "a").start(Q, "a").start(P, "b").kill(P).start(Q, "b")

    story.complaints()

    assert figure(story, "ran twice at once") == 1


# Effects.


def test_a_job_that_was_settled_for_good_twice_is_told() -> None:
    story = Story(P, Q).push("a", acks=2).run(P, "a").settle(Q, "a", "done")

    assert story.complaints() == [
        "I4: a (quick) was settled for good 2 times: done by 11 at 0.006 s, done by 12 at 0.007 s"
    ]


def test_an_attempt_that_was_settled_twice_is_told() -> None:
    story = Story(P, Q).push("a", acks=3, fails=2).start(P, "a").silence(P, FROZEN).wait(LONG).start(Q, "a")

    story.settle(Q, "a", "retry").settle(P, "a", "retry").start(Q, "a", attempt=2).end(Q, "a")

    assert "I4: attempt 1 of a (quick) was settled 2 times: retry by 12" in "\n".join(story.complaints())


def test_each_attempt_is_settled_once() -> None:
    story = Story(P).push("a", acks=3, fails=2).start(P, "a").fail(P, "a")

    story.start(P, "a", attempt=2).fail(P, "a").start(P, "a", attempt=3).end(P, "a")

    assert story.complaints() == []


def test_settles_that_redis_forgot_may_be_repeated() -> None:
    story = Story(P).push("a").run(P, "a").redis_dies("replica").redis_returns().settle(P, "a", "done")

    assert story.complaints() == []


def test_settles_long_before_redis_forgot_may_not() -> None:
    story = Story(P).push("a", acks=2).run(P, "a").wait(9).settle(P, "a", "done").redis_dies("replica").redis_returns()

    assert "a (quick) was settled for good 2 times" in story.complaints()[0]


def test_who_loses_a_job_that_nobody_recovered_is_told() -> None:
    story = Story(P).push("a").start(P, "a").tell(P, LOST, "a").end(P, "a")

    assert story.complaints() == [
        "I4: a settle of a (quick) by 11 was answered 'not yours' at 0.004 s although nobody had recovered it from "
        f"{identity(P)}"
    ]


def test_a_job_may_be_lost_to_who_declared_its_owner_dead() -> None:
    story = Story(P, Q).push("a").start(P, "a").silence(P, FROZEN).wait(LONG).recover(Q, P, "a").run(Q, "a")

    story.unsilence(P, THAWED).tell(P, FENCED, who=identity(P)).life(P, "host:11:abc").tell(P, LOST, "a")

    assert story.complaints() == []


def test_an_identity_that_was_given_up_long_ago_is_no_reason_to_lose_a_job() -> None:
    story = (
        Story(P, Q).silence(P, FROZEN).wait(LONG).recover(Q, P).unsilence(P, THAWED).life(P, "host:11:abc").wait(LONG)
    )

    story.push("a").start(P, "a").tell(P, LOST, "a").end(P, "a")

    assert "although nobody had recovered it from host:11:abc" in story.complaints()[0]


def test_a_job_may_be_lost_to_a_redis_that_forgot_it() -> None:
    story = Story(P).push("a").start(P, "a").redis_dies("second").redis_returns().tell(P, LOST, "a").tell(P, END, "a")

    assert story.complaints() == []


# Orphans.


def orphaned(fault: str) -> Story:
    story = (
        Story(P).tell(RUNNER, NEMESIS, name=fault, **{"is": "begin"}).tell(RUNNER, NEMESIS, name=fault, **{"is": "end"})
    )
    return story.push("a").tell(P, ORPHAN, "a").run(P, "a")


@pytest.mark.parametrize("fault", ["cut", "lost-take", "redis-kill"])
def test_a_reply_may_be_lost_where_connections_are_touched(fault: str) -> None:
    assert orphaned(fault).complaints() == []


@pytest.mark.parametrize("fault", ["rolling", "clock", "malformed"])
def test_no_reply_is_lost_where_nothing_touches_a_connection(fault: str) -> None:
    assert orphaned(fault).complaints() == [
        "I4: a (quick) was an orphan in 11 at 0.005 s although nothing had touched a connection"
    ]


def test_an_orphan_does_not_run() -> None:
    story = Story(P).tell(RUNNER, NEMESIS, name="cut", **{"is": "begin"}).push("a")

    story.start(P, "a").tell(P, ORPHAN, "a").end(P, "a")

    assert story.complaints() == [
        "I4: the audit of 11 took a running job for lost: a (quick), began at 0.004 s, an orphan at 0.005 s"
    ]


def test_a_job_may_be_an_orphan_while_a_run_goes_on_that_was_given_up() -> None:
    story = Story(P, Q).push("a").start(P, "a").silence(P, FROZEN).wait(LONG).recover(Q, P, "a").unsilence(P, THAWED)

    story.life(P, "host:11:abc").tell(P, ORPHAN, "a").tell(P, END, "a").tell(P, LOST, "a").run(Q, "a")

    assert story.complaints() == []
