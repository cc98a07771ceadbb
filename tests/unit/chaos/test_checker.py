"""Whole runs: their last line, and how far the verdict can be relied on."""

import time

from tests.chaos.checker import Facts, check
from tests.chaos.events import NEMESIS
from tests.unit.chaos.story import FACTS, GRACE, RUNNER, TTL, P, Q, Story


def a_run_with_a_death() -> Story:
    story = (
        Story(P, Q).push("a", "b", "c").run(P, "a").start(P, "b").tell(RUNNER, NEMESIS, name="reset", **{"is": "begin"})
    )
    return story.kill(P).wait(TTL + GRACE).recover(Q, P, "b").run(Q, "b", "c").rest()


def test_a_run_that_keeps_every_promise_passes_with_its_figures_in_one_line() -> None:
    verdict = a_run_with_a_death().verdict()

    assert verdict.violations == []
    assert verdict.is_clean
    assert verdict.line() == (
        "3 jobs, 1 killed, 1 x reset | lost 0, unexplained duplicates 0, starved 0 | began twice 1, ended twice 0 "
        "| counters exact | recovered within 4.0 s | PASS"
    )


def test_a_run_that_breaks_one_fails_in_its_line() -> None:
    verdict = Story(P).push("a").rest().verdict()

    assert not verdict.is_clean
    assert verdict.line() == (
        "1 jobs | lost 1, unexplained duplicates 0, starved 0 | began twice 0, ended twice 0 "
        "| counters off | nothing to recover | FAIL (2 violations)"
    )


def test_deaths_after_which_nothing_was_measured_are_not_taken_for_no_deaths() -> None:
    verdict = Story(P, Q).push("a").run(P, "a").kill(P).wait(TTL + GRACE).recover(Q, P).rest().verdict()

    assert verdict.line().endswith("| counters exact | nothing judged | PASS")


def test_the_same_run_gets_the_same_verdict_in_whatever_order_its_files_are_read() -> None:
    story = a_run_with_a_death()

    verdict = story.verdict()

    assert verdict == story.verdict()
    assert verdict == check(sorted(story.events, key=lambda event: event.pid), story.dump, Facts(**FACTS))
    assert list(verdict.figures) == list(story.verdict().figures)


def test_an_empty_ledger_is_no_run_at_all() -> None:
    assert {violation.invariant for violation in check([], {}, Facts(**FACTS)).violations} == {"I0"}


def test_time_grows_with_the_number_of_jobs_and_no_faster() -> None:
    def seconds_for(count: int) -> float:
        story = Story(P, Q)
        for number in range(count):
            jid = f"jid{number}"
            story.push(jid).start(P, jid).start(Q, jid)
        story.rest()
        began = time.process_time()
        story.verdict()
        return time.process_time() - began

    assert seconds_for(8000) < 40 * seconds_for(800) + 0.2
