from dataclasses import asdict, replace

import pytest

from tests.chaos.nemeses import NEMESES
from tests.chaos.plans import PLANS, pairs, plan_named, sized


def test_a_plan_has_its_name() -> None:
    release = plan_named("release")

    assert (release.jobs, release.strikes) == (100_000, {"kill": 50, "cut": 50})


def test_a_fault_is_a_plan_with_that_fault_alone_as_often_as_it_says() -> None:
    assert plan_named("kill").strikes == {"kill": NEMESES["kill"].times}


def test_faults_are_joined_each_with_a_number_of_its_own() -> None:
    assert plan_named("redis-kill:2+wrong-type").strikes == {"redis-kill": 2, "wrong-type": NEMESES["wrong-type"].times}


def test_the_order_of_faults_does_not_matter() -> None:
    one, other = plan_named("cut+kill"), plan_named("kill+cut")

    assert one.strikes == {"kill": NEMESES["kill"].times, "cut": NEMESES["cut"].times}
    assert asdict(replace(one, name="")) == asdict(replace(other, name=""))


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("", "there is no plan and no fault ''"),
        ("kil", "there is no plan and no fault 'kil'"),
        ("kill+", "there is no plan and no fault ''"),
        ("smoke+kill", "smoke is a plan: only faults can be joined"),
        ("smoke:2", "smoke is a plan: only faults can be joined"),
        ("kill:", "kill can strike 1 to 9999 times, not ''"),
        ("kill:0", "kill can strike 1 to 9999 times, not '0'"),
        ("kill:-1", "kill can strike 1 to 9999 times, not '-1'"),
        ("kill:٣", "kill can strike 1 to 9999 times, not '٣'"),
        ("kill:²", "kill can strike 1 to 9999 times, not '²'"),
        ("kill:1:2", "kill can strike 1 to 9999 times, not '1:2'"),
        ("kill:10000", "kill can strike 1 to 9999 times, not '10000'"),
        ("kill+kill", "kill stands twice in 'kill+kill'"),
        ("kill:2+cut+kill:3", "kill stands twice"),
        ("failover+cut", "failover and cut cannot be joined: one needs proxies"),
        ("cut+kill+failover", "cut and failover cannot be joined: one needs proxies"),
        ("redis-freeze+failover", "redis-freeze and failover cannot be joined: sentinels replace"),
    ],
)
def test_a_name_that_makes_no_sense_is_refused_with_a_sentence(name: str, complaint: str) -> None:
    with pytest.raises(LookupError) as caught:
        plan_named(name)

    assert str(caught.value).startswith(complaint)


def test_every_plan_can_be_run() -> None:
    for name in (*PLANS, *NEMESES, *(plan.name for plan in pairs())):
        assert plan_named(name).seconds > 0


def test_pairs_are_of_faults_that_can_be_joined() -> None:
    names = {frozenset(plan.strikes) for plan in pairs()}

    assert {"kill", "cut"} in names
    assert {"kill", "failover"} in names
    assert {"cut", "failover"} not in names
    assert {"redis-freeze", "failover"} not in names


def test_a_plan_with_another_number_of_jobs_has_the_same_faults() -> None:
    smoke = plan_named("smoke")

    assert sized(smoke, 7) == replace(smoke, jobs=7)
    assert sized(smoke, None) == smoke
