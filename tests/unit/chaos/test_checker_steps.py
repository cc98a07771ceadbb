"""A step that has ended is not begun again by who asks later, and has one result."""

from tests.chaos import events as names
from tests.unit.chaos.story import GRACE, RUNNER, TTL, P, Q, Story

LONG = TTL + GRACE + 1.0


def ask(story: Story, pid: int, run: str, step: int = 0) -> Story:
    return story.tell(pid, names.ASKING, "a", step=step, run=run)


def work(story: Story, pid: int, run: str, step: int = 0) -> Story:
    return story.tell(pid, names.STEP, "a", step=step, run=run)


def end(story: Story, pid: int, run: str, result: str = "r", step: int = 0) -> Story:
    return story.tell(pid, names.STEPPED, "a", step=step, run=run, result=result)


def done(story: Story, pid: int, run: str, result: str = "r", step: int = 0) -> Story:
    return end(work(ask(story, pid, run, step), pid, run, step), pid, run, result, step)


def begun(*workers: int) -> Story:
    return Story(*workers).push("a", job="in_steps").start(P, "a")


def run_again_after_a_death(story: Story) -> Story:
    return story.kill(P).wait(LONG).recover(Q, P, "a").start(Q, "a")


def test_finished_steps_are_left_out_and_those_that_were_broken_off_done_again() -> None:
    story = done(begun(P, Q), P, "one")
    work(ask(story, P, "one", 1), P, "one", 1)
    run_again_after_a_death(story)
    end(ask(story, Q, "two"), Q, "two")
    done(story, Q, "two", "s", 1).end(Q, "a")

    assert story.complaints() == []
    figures = story.verdict().figures
    assert [figures[f"steps {name}"] for name in ("finished", "broken off", "left out", "done twice at once")] == [
        2,
        1,
        1,
        0,
    ]
    assert "steps finished 2, steps left out 1, finished steps begun again 0" in story.verdict().line()


def test_a_finished_step_that_is_begun_again_is_told() -> None:
    story = run_again_after_a_death(done(begun(P, Q), P, "one"))
    work(ask(story, Q, "two"), Q, "two")
    end(story, Q, "two").end(Q, "a")

    (complaint,) = story.complaints()

    assert complaint.startswith(f"steps: step 0 of a (in_steps) had ended in {P} at 0.00")
    assert f"and was begun again in {Q} at " in complaint
    assert story.verdict().figures["finished steps begun again"] == 1


def test_another_attempt_does_not_begin_a_finished_step_either() -> None:
    story = done(begun(P), P, "one")
    story.fail(P, "a").start(P, "a", attempt=2)
    done(story, P, "two").end(P, "a")

    assert any("was begun again" in complaint for complaint in story.complaints())


def test_other_steps_and_other_jobs_have_nothing_to_do_with_it() -> None:
    story = done(done(begun(P), P, "one"), P, "one", "s", 1).end(P, "a").push("b").start(P, "b")
    story.tell(P, names.ASKING, "b", step=0, run="two").tell(P, names.STEP, "b", step=0, run="two")
    story.tell(P, names.STEPPED, "b", step=0, run="two", result="other").end(P, "b")

    assert story.complaints() == []


def test_who_had_asked_before_the_end_may_do_it_at_the_same_time() -> None:
    story = ask(begun(P, Q), P, "one").silence(P, names.FROZEN).wait(LONG).recover(Q, P, "a").start(Q, "a")
    work(ask(story, Q, "two"), Q, "two")
    end(story, Q, "two", "first").end(Q, "a")
    story.unsilence(P, names.THAWED)
    end(work(story, P, "one"), P, "one", "first").tell(P, names.FENCED, who="x").tell(P, names.END, "a")

    assert [complaint for complaint in story.complaints() if complaint.startswith("steps")] == []
    assert story.verdict().figures["steps done twice at once"] == 1


def test_all_runs_see_one_result() -> None:
    story = run_again_after_a_death(done(begun(P, Q), P, "one", "mine"))
    end(ask(story, Q, "two"), Q, "two", "other").end(Q, "a")

    (complaint,) = story.complaints()

    assert complaint.startswith("steps: step 0 of a (in_steps) has several results: mine in ")


def test_a_redis_that_may_have_forgotten_the_end_is_an_excuse() -> None:
    story = done(begun(P), P, "one", "mine").redis_dies("second").wait(1.0).redis_returns()
    done(story.tell(P, names.FAIL, "a").start(P, "a"), P, "two", "other").end(P, "a")

    assert [complaint for complaint in story.complaints() if complaint.startswith("steps")] == []


def test_one_that_keeps_all_is_none() -> None:
    story = done(begun(P), P, "one", "mine").redis_dies("all").wait(1.0).redis_returns()
    done(story.tell(P, names.FAIL, "a").start(P, "a"), P, "two", "other").end(P, "a")

    assert len([complaint for complaint in story.complaints() if complaint.startswith("steps")]) == 2


def test_a_run_without_steps_says_nothing_of_them() -> None:
    assert "steps" not in Story(P).push("a").run(P, "a").tell(RUNNER, names.QUIET).rest().verdict().line()
