"""What becomes of the jobs of a run: none lost, none in two places, each counted."""

import pytest

from tests.chaos.events import END, PUSH, PUSHED, REFUSED, RESTED, UNSURE
from tests.support.redis_state import Entry
from tests.unit.chaos.story import PRODUCER, RUNNER, P, Q, Story

COURSE = {"job": "quick", "ends": "done", "acks": 1, "fails": 0}


def test_jobs_that_came_to_the_end_of_their_course_are_not_lost() -> None:
    story = Story(P).push("a").run(P, "a")
    story.push("b", ends="dead").start(P, "b").settle(P, "b", "dead").bury("b", error_class="ValueError")
    story.push("c", ends="gone").start(P, "c").settle(P, "c", "dropped")

    assert [violation for violation in story.complaints() if not violation.startswith("I6")] == []


@pytest.mark.parametrize("ends", ["done", "dead", "gone"])
def test_a_job_that_is_nowhere_and_never_began_is_lost(ends: str) -> None:
    assert Story(P).push("a", ends=ends, acks=0).complaints() == [
        "I1: a (quick) is lost: PUSH by 2 at 0.001 s, PUSHED by 2 at 0.002 s"
    ]


def test_a_job_that_began_and_never_ended_is_lost() -> None:
    assert "I1: a (quick) is lost" in Story(P).push("a", acks=0).start(P, "a").complaints()[0]


def test_a_job_that_died_although_it_was_to_be_done_is_out_of_place() -> None:
    story = Story(P).push("a").run(P, "a").bury("a", error_class="ValueError")

    assert story.complaints() == ["I2: a (quick) stands in the dead set for ValueError, its course was done"]


@pytest.mark.parametrize("key", ["queue:default", "sidelong:inflight:host:11:00000000000b:default"])
def test_a_job_that_still_waits_or_runs_at_the_end_has_not_come_to_rest(key: str) -> None:
    complaints = Story(P).push("a").leave_in(key, "a").complaints()

    assert complaints == [f'I0: 1 jobs left in {key!r}, such as b\'{{"jid": "a"}}\'']


def test_a_run_that_reached_its_limit_has_not_come_to_rest() -> None:
    story = Story(P).tell(RUNNER, "QUIET").tell(RUNNER, RESTED, left=7)

    assert [violation.text for violation in story.verdict().violations] == [
        "the run did not come to rest: 7 jobs left at the limit"
    ]


def test_a_job_in_two_places_is_told() -> None:
    story = Story(P).push("a", ends="dead", acks=0).bury("a", error_class="E").leave_in("queue:default", "a")

    assert "I2: a (quick) stands in 2 places: dead, queue:default" in story.complaints()


def test_a_job_that_is_dead_twice_is_excused_only_by_a_forgetful_redis() -> None:
    def story(keeps: str) -> Story:
        told = Story(P).push("a", ends="dead", acks=0).redis_dies(keeps).redis_returns()
        return told.bury("a", error_class="E").bury("a", error_class="F")

    assert story("all").complaints() == ["I2: a (quick) stands in 2 places: dead, dead"]
    assert story("second").complaints() == []
    assert story("second").rest().verdict().figures["dead twice by Redis"] == 1


# Pushes whose outcome nobody knows, or that failed.


def test_a_push_of_unknown_outcome_may_have_been_stored_or_not() -> None:
    story = Story(P)
    for jid in ("stored", "not-stored"):
        story.tell(PRODUCER, PUSH, jid, **COURSE).tell(PRODUCER, UNSURE, jid)
    story.tell(PRODUCER, PUSH, "cut short", **COURSE)

    verdict = story.run(P, "stored").rest().verdict()

    assert verdict.is_clean
    assert verdict.figures["jobs"] == 1
    assert verdict.figures["unsure"] == 2


def test_a_push_of_unknown_outcome_whose_job_began_must_end() -> None:
    story = Story(P).tell(PRODUCER, UNSURE, "a", **{**COURSE, "acks": 0}).start(P, "a")

    assert "a (quick) is lost" in story.complaints()[0]


def test_a_refused_push_is_no_job_until_it_is_pushed_again() -> None:
    story = Story(P).tell(PRODUCER, REFUSED).tell(PRODUCER, PUSH, "a", **COURSE).tell(PRODUCER, REFUSED, "a")

    assert story.complaints() == []
    assert story.verdict().figures["refused"] == 2


def test_a_refused_push_whose_job_runs_was_stored_all_the_same() -> None:
    story = Story(P).tell(PRODUCER, PUSH, "a", **COURSE).tell(PRODUCER, REFUSED, "a").run(P, "a")

    assert story.complaints() == ["I1: a (quick) was refused, and is stored all the same"]


def test_the_course_may_come_with_the_end_of_a_push() -> None:
    story = Story(P).start(P, "a").tell(PRODUCER, PUSHED, "a", **COURSE).tell(P, END, "a").settle(P, "a", "done")

    assert story.complaints() == []


def test_a_job_that_nobody_has_pushed_is_a_stranger() -> None:
    assert Story(P).start(P, "a").complaints() == ["I1: a (of unknown name) began at 0.001 s, and nobody has pushed it"]


# A Redis that forgets.


@pytest.mark.parametrize(
    ("keeps", "before", "is_excused"),
    [
        ("second", 1.0, True),
        ("second", 5.0, False),
        ("all", 1.0, False),
        ("replica", 1.0, True),
    ],
)
def test_what_was_pushed_just_before_redis_died_may_be_forgotten(keeps: str, before: float, is_excused: bool) -> None:
    story = Story(P).push("a", acks=0).wait(before).redis_dies(keeps).redis_returns()

    verdict = story.rest().verdict()

    assert verdict.is_clean is is_excused
    assert verdict.figures["lost by Redis"] == is_excused


@pytest.mark.parametrize(("keeps", "is_excused"), [("replica", True), ("second", False)])
def test_an_old_master_takes_what_is_lost_until_the_new_one_is_up(keeps: str, is_excused: bool) -> None:
    story = Story(P).redis_dies(keeps).wait(1.5).push("a", acks=0).redis_returns()

    assert story.rest().verdict().is_clean is is_excused


# Counters.


def test_counters_that_differ_from_the_courses_are_told() -> None:
    story = Story(P).push("a", fails=1).run(P, "a")
    story.dump["stat:processed:2030-01-01"] = Entry("string", b"7", ttl=60.0)

    assert story.complaints() == [
        "I6: the daily counters of processed add up to 7, stat:processed is 1",
        "I6: stat:failed is 0, 1 expected",
    ]


def test_counters_may_be_off_by_what_redis_may_have_forgotten() -> None:
    story = Story(P).push("a", acks=5).run(P, "a").redis_dies("second").redis_returns()

    verdict = story.rest().verdict()

    assert verdict.is_clean
    assert verdict.figures["counters"] == "near"


def test_counters_may_not_be_off_by_more() -> None:
    story = Story(P).push("a", acks=5).run(P, "a").wait(9).redis_dies("second").redis_returns()

    assert story.complaints() == ["I6: stat:processed is 1, 5 expected"]


def test_counters_are_not_judged_before_the_run_came_to_rest() -> None:
    story = Story(P).push("a", acks=5).run(P, "a").leave_in("queue:default", "b")

    assert [complaint for complaint in story.complaints() if complaint.startswith("I6")] == []
    assert story.verdict().figures["counters"] == "not judged"


def test_a_job_that_was_buried_for_its_deaths_counts_with_its_retries() -> None:
    story = Story(P, Q).push("a", acks=5).start(P, "a").settle(P, "a", "retry")
    story.bury("a", error_class="sidelong.PoisonPill", retry_count=0)

    assert [complaint for complaint in story.complaints() if complaint.startswith("I6")] == []
