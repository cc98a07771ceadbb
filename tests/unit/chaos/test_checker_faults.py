"""What the plan did to data, connections and masters, and what a heartbeat that fails alone looks like."""

import pytest

from tests.chaos import events as names
from tests.support.redis_state import Entry
from tests.unit.chaos.story import GRACE, RUNNER, TTL, P, Q, R, Story, identity

LONG = TTL + GRACE + 1.0
MARK = "chaos-0123"


def malformed(*dead: bytes) -> Story:
    story = Story(P).tell(RUNNER, names.MALFORMED, mark=MARK)
    if dead:
        story.dump["dead"] = Entry("zset", dict.fromkeys(dead, 1.0))
    return story


@pytest.mark.parametrize("raw", [b'{"class":"' + MARK.encode(), MARK.encode("utf-16"), b"[" * 900 + MARK.encode()])
def test_a_payload_that_is_no_job_must_be_in_the_dead_set(raw: bytes) -> None:
    story = malformed(raw)

    assert story.complaints() == []
    assert story.verdict().figures["malformed"] == 1


@pytest.mark.parametrize("dead", [(), (b"another",), (MARK.encode(), b"twice " + MARK.encode())])
def test_a_payload_that_is_no_job_may_be_neither_lost_nor_doubled(dead: tuple[bytes, ...]) -> None:
    (complaint,) = malformed(*dead).complaints()

    assert complaint.startswith(f"I1: the malformed payload {MARK} stands")


def test_payloads_without_a_name_are_not_taken_for_one_job() -> None:
    story = Story(P, Q).tell(P, names.SETTLED, how="bury").tell(Q, names.SETTLED, how="bury")

    assert story.complaints() == []


def test_cuts_are_added_up() -> None:
    story = Story(P).tell(RUNNER, names.CUT, count=2).tell(RUNNER, names.CUT, count=3)

    assert story.complaints() == []
    assert ", 5 cuts | " in story.verdict().line()


def test_work_must_go_on_soon_after_an_election() -> None:
    story = Story(P).tell(RUNNER, names.RESUMED, pushed=0.4, begun=1.5)

    assert story.complaints(resumes_within=2.0) == []
    assert story.complaints(resumes_within=1.0) == ["I7: work went on 1.5 s after an election, later than 1 s"]
    assert "resumed within 1.5 s" in story.verdict().line()


def test_a_recovery_is_not_late_that_another_death_has_thrown_back() -> None:
    story = Story(P, Q, R).push("a").start(P, "a").kill(P).wait(TTL + GRACE).recover(R, P, "a")

    story.kill(Q).wait(TTL + GRACE + 2).recover(R, Q, "a").run(R, "a")

    assert story.complaints() == []
    assert story.verdict().figures["recoveries disturbed"] == 1


def a_second_run(*signs: str, late: float = 0.0) -> Story:
    """P is not heard of for long, while it tells `signs`; Q takes its job, and R is late."""
    story = Story(P, Q, R).push("a").start(P, "a").silence(P)
    for step in range(int(LONG / 0.25)):
        if step == 4:
            story.silence(R)
        if step == 4 + int(late / 0.25):
            story.unsilence(R)
        story.wait(0.25)
        for sign in signs:
            story.tell(P, sign)
    return story.recover(Q, P, "a").unsilence(P).run(Q, "a")


def test_a_heartbeat_that_stops_in_a_process_that_runs_is_no_starvation() -> None:
    complaints = a_second_run(names.TICK).complaints()

    assert any("unexplained duplicate" in complaint for complaint in complaints)
    assert any("declared" in complaint for complaint in complaints)


def test_a_heartbeat_that_nobody_answers_is_no_starvation_while_others_are_heard_of() -> None:
    complaints = a_second_run(names.TICK, names.BEATING).complaints()

    assert any("unexplained duplicate" in complaint for complaint in complaints)
    assert any("declared" in complaint for complaint in complaints)


def test_a_heartbeat_that_nobody_answers_in_time_is_starvation_while_others_are_late() -> None:
    story = a_second_run(names.TICK, names.BEATING, late=TTL)

    assert story.complaints() == []
    assert story.verdict().figures["starved"] == 1


def beaten(story: Story, pid: int) -> Story:
    """Let a heartbeat be sent and answered."""
    return story.tell(pid, names.BEATING, who=identity(pid)).tell(pid, names.BEAT, who=identity(pid))


def test_nobody_may_be_declared_dead_before_lease_and_grace_are_over() -> None:
    story = beaten(Story(P, Q), P).tell(RUNNER, names.FROZEN, pid=P).wait(TTL + 0.5)

    story.tell(Q, names.DECLARED, who=identity(P)).wait(GRACE).tell(RUNNER, names.THAWED, pid=P)

    assert any("s after its last beat" in complaint for complaint in story.complaints())


def test_a_death_may_be_declared_once_lease_and_grace_are_over() -> None:
    story = beaten(Story(P, Q), P).kill(P).wait(TTL + GRACE).tell(Q, names.DECLARED, who=identity(P))

    assert story.complaints() == []


def test_who_was_fenced_must_begin_anew() -> None:
    story = Story(P, Q).tell(P, names.FENCED, who=identity(P)).wait(9)

    assert any("did not begin anew" in complaint for complaint in story.complaints())


def test_who_was_fenced_and_has_a_new_life_is_well() -> None:
    story = Story(P, Q).tell(P, names.FENCED, who=identity(P)).wait(1).life(P, "another").wait(60)

    assert story.complaints() == []


def full(story: Story, *, settles: bool) -> list[str]:
    """Let a job end while Redis is full."""
    story.push("a").start(P, "a").tell(RUNNER, names.NEMESIS, name="oom", **{"is": "begin"})
    story.tell(P, names.END, "a")
    if settles:
        story.settle(P, "a", "done")
    story.wait(4).tell(RUNNER, names.NEMESIS, name="oom", **{"is": "end"})
    if not settles:
        story.settle(P, "a", "done")
    return story.complaints()


def test_what_ends_at_full_memory_must_be_settled_then() -> None:
    assert full(Story(P), settles=True) == []
    assert any("was not settled while Redis was full" in text for text in full(Story(P), settles=False))


@pytest.mark.parametrize("how", [names.END, names.FAIL])
def test_what_was_left_must_be_settled_soon(how: str) -> None:
    def story(seconds: float) -> Story:
        return Story(P).push("a").start(P, "a").tell(P, how, "a").wait(seconds).settle(P, "a", "done").wait(9)

    assert [complaint for complaint in story(3).complaints() if complaint.startswith("I5")] == []
    assert story(3).verdict().figures["settled within"] == pytest.approx(3, abs=0.1)
    assert [complaint for complaint in story(7).complaints() if complaint.startswith("I5")] == [
        "I5: a (quick) was left in 11 at 0.004 s and settled only after 7.0 s"
    ]


def test_what_is_never_settled_is_told() -> None:
    story = Story(P).push("a", acks=0).start(P, "a").tell(P, names.END, "a").wait(9)

    assert story.complaints() == ["I5: a (quick) was left in 11 at 0.004 s and settled never"]


@pytest.mark.parametrize("fault", ["cut", "strand", "oom"])
def test_what_was_left_may_be_settled_late_when_connections_are_touched(fault: str) -> None:
    story = (
        Story(P)
        .push("a")
        .start(P, "a")
        .tell(P, names.END, "a")
        .tell(RUNNER, names.NEMESIS, name=fault, **{"is": "begin"})
    )

    story.tell(RUNNER, names.NEMESIS, name=fault, **{"is": "end"}).wait(6).settle(P, "a", "done")

    assert [complaint for complaint in story.complaints() if "only after" in complaint] == []


def test_the_longest_wait_is_only_reported() -> None:
    story = Story(P).push("a", job="sleep_for").wait(50).run(P, "a")

    assert story.complaints() == []
    assert story.verdict().figures["waited at most"] == pytest.approx(50, abs=0.1)


def test_a_suspect_may_wait_for_its_turn() -> None:
    story = Story(P, Q, R).push("a").start(P, "a").kill(P).wait(TTL + GRACE).recover(R, P, "a")
    story.start(Q, "a").kill(Q).wait(TTL + GRACE).recover(R, Q, "a").wait(20).run(R, "a")

    assert story.complaints() == []


def test_a_due_job_whose_queue_has_the_wrong_type_may_be_set_aside() -> None:
    story = Story(P).push("a").bury("a")
    assert any("stands in the dead set" in complaint for complaint in story.complaints())

    story = Story(P).tell(RUNNER, names.NEMESIS, name="wrong-type", **{"is": "begin"}).push("a").bury("a")
    assert story.complaints() == []
    assert story.verdict().figures["set aside"] == 1


def test_a_job_that_met_one_death_may_wait_for_one_that_met_two() -> None:
    story = Story(P, Q, R).push("a", "b").start(P, "a", "b").kill(P).wait(TTL + GRACE).recover(R, P, "a", "b")
    story.start(Q, "a").kill(Q).wait(TTL + GRACE).recover(R, Q, "a").start(R, "a").wait(20).end(R, "a")

    story.run(R, "b")

    assert story.complaints() == []
