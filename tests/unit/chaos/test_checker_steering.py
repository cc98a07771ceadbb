"""What was called off does not begin again, and what waits in a paused queue does not begin."""

import pytest

from tests.chaos import events as names
from tests.unit.chaos.story import GRACE, RUNNER, TTL, P, Q, Story, identity

LONG = TTL + GRACE + 1.0


def call_off(story: Story, jid: str, how: str, where: str = "queue:default") -> Story:
    return story.tell(RUNNER, names.CALLING_OFF, jid).tell(RUNNER, names.CALLED_OFF, jid, how=how, where=where)


def running(how: str) -> Story:
    """A job that runs in P and was called off there."""
    return call_off(Story(P, Q).push("a", acks=3, fails=2).start(P, "a"), "a", how, identity(P))


def test_what_was_removed_is_not_lost_and_counts_as_nothing() -> None:
    story = call_off(Story(P).push("a"), "a", "removed")

    assert story.complaints() == []
    assert story.verdict().figures["called off: removed"] == 1


def test_what_was_removed_does_not_begin() -> None:
    story = call_off(Story(P).push("a"), "a", "removed").run(P, "a")

    (complaint,) = story.complaints()

    assert complaint.startswith("cancel: a (quick) was called off at ")
    assert f"removed (queue:default) by 0.004 s, and began in {P} at " in complaint


@pytest.mark.parametrize("how", ["cancelled", "told"])
def test_what_ran_is_settled_as_called_off_and_counts_once(how: str) -> None:
    story = running(how).tell(P, names.FAIL, "a", "CancelledError").settle(P, "a", "called-off")

    assert story.complaints() == []


@pytest.mark.parametrize("how", ["cancelled", "told"])
def test_what_ran_may_come_to_its_end_all_the_same(how: str) -> None:
    assert running(how).end(P, "a").complaints() == []


@pytest.mark.parametrize("how", ["cancelled", "told"])
def test_what_ran_is_not_tried_again(how: str) -> None:
    story = running(how).fail(P, "a")

    complaints = story.complaints()

    assert len(complaints) == 1
    assert "and settled as retry at" in complaints[0]
    assert "and began in" in running(how).fail(P, "a").start(P, "a", attempt=2).end(P, "a").complaints()[0]


@pytest.mark.parametrize("how", ["cancelled", "told"])
def test_a_stop_does_not_hand_back_what_was_called_off(how: str) -> None:
    story = running(how).stop(P).tell(P, names.FAIL, "a").settle(P, "a", "back").leave(P).run(Q, "a")

    (complaint,) = story.complaints()

    assert complaint.startswith("cancel: a ")


def test_what_was_cancelled_does_not_begin_before_the_answer_has_come_either() -> None:
    story = Story(P).push("a").start(P, "a").tell(RUNNER, names.CALLING_OFF, "a")
    story.tell(P, names.FAIL, "a", "CancelledError").settle(P, "a", "called-off").run(P, "a")
    story.tell(RUNNER, names.CALLED_OFF, "a", how="cancelled", where=identity(P))

    complaints = story.complaints()

    assert any(each.startswith("cancel: a ") and f"and began in {P} at " in each for each in complaints)


def test_what_was_called_off_in_a_process_that_died_of_it_may_begin_elsewhere() -> None:
    story = running("cancelled").kill(P).wait(LONG).recover(Q, P, "a").run(Q, "a")

    assert story.complaints() == []
    assert story.verdict().figures["called off in vain"] == 1


def test_a_thread_that_was_on_its_way_may_begin_after_it_was_told() -> None:
    story = call_off(Story(P).push("a"), "a", "told", identity(P)).run(P, "a")

    assert story.complaints() == []


def test_a_coroutine_that_was_on_its_way_may_not() -> None:
    story = call_off(Story(P).push("a"), "a", "cancelled", identity(P)).run(P, "a")

    assert "and began in" in story.complaints()[0]


def test_what_was_called_off_stands_nowhere() -> None:
    story = call_off(Story(P).push("a", ends="dead"), "a", "removed").bury("a", error_class="E")

    assert "and stands in dead" in story.complaints()[0]


@pytest.mark.parametrize("how", ["unanswered", "unknown"])
def test_what_nobody_knows_of_may_have_ended_or_not(how: str) -> None:
    story = Story(P).push("a", "b")
    for jid in ("a", "b"):
        call_off(story, jid, how)

    assert story.run(P, "b").complaints() == []


def test_a_call_that_never_came_back_is_one_that_nobody_knows_of() -> None:
    assert Story(P).push("a").tell(RUNNER, names.CALLING_OFF, "a").complaints() == []


def test_what_is_not_found_comes_to_its_end_as_if_nobody_had_asked() -> None:
    assert "I1: a (quick) is lost" in call_off(Story(P).push("a"), "a", "not_found").complaints()[0]
    assert call_off(Story(P).push("a").run(P, "a"), "a", "not_found").complaints() == []


def test_what_waits_is_found() -> None:
    story = call_off(Story(P).push("a"), "a", "not_found").run(P, "a")

    assert "not_found (queue:default) by" in story.complaints()[0]


def test_what_had_ended_in_a_dead_process_need_not_be_found() -> None:
    story = Story(P, Q).push("a").start(P, "a").tell(P, names.END, "a").kill(P)
    story = call_off(story, "a", "not_found").wait(LONG).recover(Q, P, "a").run(Q, "a")

    assert story.complaints() == []


def test_a_settle_that_nobody_told_of_makes_the_counters_uncertain_by_one() -> None:
    def counted(processed: int) -> list[str]:
        story = call_off(Story(P, Q).push("a").start(P, "a"), "a", "unanswered", identity(P)).kill(P)
        story.counters["processed"] = processed
        return story.complaints()

    assert counted(0) == counted(1) == []
    assert counted(2) == ["I6: stat:processed is 2, 0 to 1 expected"]


def paused() -> Story:
    """A queue that has been paused for two seconds, with a job in it."""
    story = Story(P).tell(2, names.PUSH, "a", job="quick", ends="done", acks=1, fails=0, queue="low")
    story.tell(2, names.PUSHED, "a").tell(RUNNER, names.PAUSED, queue="low").wait(2.0)
    return story.tell(RUNNER, names.HELD, "a", queue="low")


def test_what_waits_in_a_paused_queue_begins_after_the_pause() -> None:
    story = paused().tell(RUNNER, names.UNPAUSING, queue="low").run(P, "a")

    assert story.complaints() == []
    assert story.verdict().figures["held by pauses"] == 1


def test_what_waits_in_a_paused_queue_does_not_begin_before() -> None:
    story = paused().run(P, "a").tell(RUNNER, names.UNPAUSING, queue="low")

    (complaint,) = story.complaints()

    assert complaint.startswith(f"pause: a (quick) began in {P} at ")


@pytest.mark.parametrize(("after", "complaints"), [(1.9, 0), (2.1, 1)])
def test_what_is_pushed_to_a_paused_queue_does_not_begin_once_all_must_know(after: float, complaints: int) -> None:
    story = Story(P).tell(RUNNER, names.PAUSED, queue="low").wait(after)
    story.tell(2, names.PUSH, "a", job="quick", ends="done", acks=1, fails=0, queue="low").tell(2, names.PUSHED, "a")

    assert len(story.run(P, "a").tell(RUNNER, names.UNPAUSING, queue="low").complaints()) == complaints


def test_who_was_frozen_need_not_know_of_a_pause() -> None:
    story = paused().silence(P, names.FROZEN).unsilence(P, names.THAWED).run(P, "a")

    assert story.tell(RUNNER, names.UNPAUSING, queue="low").complaints() == []


def test_a_recovery_into_a_paused_queue_is_not_late() -> None:
    story = Story(P, Q).tell(2, names.PUSH, "a", job="quick", ends="done", acks=1, fails=0, queue="low")
    story.tell(2, names.PUSHED, "a").start(P, "a").tell(RUNNER, names.PAUSED, queue="low").kill(P).wait(LONG)
    story.recover(Q, P, "a").wait(10.0).tell(RUNNER, names.UNPAUSING, queue="low").run(Q, "a")

    assert story.complaints() == []
