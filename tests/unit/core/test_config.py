import dataclasses

import pytest

from sidelong.core.config import Capsule, Config
from sidelong.errors import ConfigurationError

MAIL = Capsule(name="mail", concurrency=2, queues=(("mailers", 0),))


@pytest.mark.parametrize(
    "settings",
    [
        {"concurrency": 0},
        {"dead_max_jobs": 0},
        {"crash_limit": 0},
        {"batch_limit": 0},
        {"max_retries": -1},
        {"timeout": -0.1},
        {"lease_ttl": 10.0, "beat_interval": 5.0},
        {"block_time": 0.001},
        {"capsules": (MAIL, MAIL)},
        {"capsules": (dataclasses.replace(MAIL, name="default"),)},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_a_setting_that_cannot_work_is_refused(settings):
    with pytest.raises(ConfigurationError):
        Config(**settings)


@pytest.mark.parametrize("settings", [{"concurrency": 0}, {"queues": ()}])
def test_a_capsule_that_cannot_work_is_refused_by_name(settings):
    with pytest.raises(ConfigurationError, match="'mail'"):
        dataclasses.replace(MAIL, **settings)


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().concurrency = 5


def test_defaults_are_the_documented_ones():
    config = Config()

    assert (config.concurrency, config.timeout, config.max_retries) == (10, 25, 25)
    assert (config.beat_interval, config.lease_ttl, config.recovery_interval, config.recovery_grace) == (5, 20, 5, 15)
    assert (config.crash_limit, config.crash_window) == (3, 72 * 3600)
    assert (config.dead_max_jobs, config.dead_timeout) == (10_000, 180 * 86_400)
    assert (config.connect_timeout, config.answer_timeout, config.batch_limit) == (3, 5, 200)
    assert (config.payload_warn, config.payload_limit) == (100_000, 10_000_000)


def test_without_queues_the_default_capsule_serves_those_of_the_jobs():
    (capsule,) = Config().all_capsules(("mailers", "low", "mailers"))

    assert (capsule.name, capsule.concurrency) == ("default", 10)
    assert [name for name, _ in capsule.queues] == ["mailers", "low", "default"]


def test_one_queue_alone_is_in_strict_order():
    (capsule,) = Config().all_capsules()

    assert capsule.queues == (("default", 0),)


def test_named_queues_are_served_as_they_are():
    queues = (("critical", 3), ("default", 1))

    (capsule,) = Config(queues=queues).all_capsules(("mailers",))

    assert capsule.queues == queues


def test_queues_of_other_capsules_are_left_to_them():
    default, mail = Config(capsules=(MAIL,)).all_capsules(("mailers", "low"))

    assert [name for name, _ in default.queues] == ["low", "default"]
    assert mail is MAIL
