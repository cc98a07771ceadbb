import dataclasses

import pytest

from sidelong.core.config import Capsule, Config, Settings
from sidelong.errors import ConfigurationError

MAIL = Capsule(name="mail", concurrency=2, queues=["mailers"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"concurrency": 0}, "concurrency must be a whole number of at least 1, not 0"),
        ({"concurrency": "3"}, "concurrency must be a whole number of at least 1, not '3'"),
        ({"concurrency": True}, "not True"),
        ({"concurrency": 2.0}, "not 2.0"),
        ({"max_retries": -1}, "max_retries must be a whole number of at least 0, not -1"),
        ({"dead_max_jobs": 0}, "dead_max_jobs must be"),
        ({"crash_limit": 0}, "crash_limit must be"),
        ({"batch_limit": 0}, "batch_limit must be"),
        ({"timeout": -0.1}, "timeout must be a number of seconds, at least 0, not -0.1"),
        ({"timeout": "25"}, "not '25'"),
        ({"timeout": float("nan")}, "not nan"),
        ({"timeout": float("inf")}, "not inf"),
        ({"timeout": None}, "not None"),
        ({"cancel_grace": True}, "not True"),
        ({"poll_interval": -1}, "poll_interval must be"),
        ({"recovery_interval": 0}, "recovery_interval must be"),
        ({"block_time": 0.001}, "block_time must be a number of seconds, at least 0.01"),
        ({"lease_ttl": 10.0, "beat_interval": 5.0}, "more than two beat intervals"),
        ({"queues": "default"}, "queues must be a list of names"),
        ({"queues": ["a,0", "b,1"]}, "all 0 .* or all at least 1"),
        ({"capsules": MAIL}, "capsules must be a list of Capsule"),
        ({"capsules": ["mail"]}, "capsules must be a list of Capsule"),
        ({"capsules": [MAIL, MAIL]}, "names of their own"),
        ({"capsules": [dataclasses.replace(MAIL, name="default")]}, "names of their own"),
        ({"transient": ["TimeoutError"]}, "transient must be a list of exception classes, given in code"),
        ({"labels": "web"}, "labels must be a list of strings, not 'web'"),
        ({"labels": ["web", 1]}, "labels must be a list of strings"),
        ({"default_job_options": [("retry", 1)]}, "default_job_options must be a dict"),
        ({"event_loop": "trio"}, "event_loop must be one of auto, asyncio, uvloop, not 'trio'"),
        ({"log_format": "xml"}, "log_format must be one of auto, pretty, plain, json, not 'xml'"),
        ({"log_format": []}, r"log_format must be one of auto, pretty, plain, json, not \[\]"),
        ({"job_logging": 1}, "job_logging must be True or False, not 1"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_in_a_sentence(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        Config(**settings)


@pytest.mark.parametrize("name", [each.name for each in dataclasses.fields(Config)])
def test_every_setting_is_checked(name):
    with pytest.raises(ConfigurationError):
        Config(**{name: object()})


def test_what_applications_take_are_the_fields_but_the_address():
    fields = {each.name for each in dataclasses.fields(Config)}

    assert set(Settings.__annotations__) == fields - {"redis_url"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"concurrency": 0}, "capsule 'mail': concurrency must be a whole number of at least 1, not 0"),
        ({"queues": ()}, "capsule 'mail' has no queues"),
        ({"queues": "pdf"}, "capsule 'mail': queues must be a list of names"),
        ({"queues": ["a,0", "b,1"]}, "capsule 'mail': .* all at least 1"),
        ({"queues": ["pdf", "pdf,2"]}, "capsule 'mail': the queue 'pdf' is named twice"),
        ({"name": ""}, "name must be a non-empty string"),
        ({"name": 5}, "name must be a non-empty string, not 5"),
    ],
)
def test_a_capsule_that_cannot_work_is_refused_by_name(settings, words):
    with pytest.raises(ConfigurationError, match=words):
        dataclasses.replace(MAIL, **settings)


def test_a_capsule_takes_queues_as_the_application_does():
    capsules = [
        Capsule(name="pdf", concurrency=1, queues=queues)
        for queues in (["a", "b,2"], ("a,1", ("b", 2)), [("a", 1), ("b", 2)])
    ]

    assert {capsule.queues for capsule in capsules} == {(("a", 1), ("b", 2))}


@pytest.mark.parametrize(
    ("queues", "capsules", "names"),
    [
        (["mailers", "low"], [MAIL], "'mailers' is served by two capsules, 'default' and 'mail'"),
        ([], [MAIL, dataclasses.replace(MAIL, name="post")], "'mailers' is served by two capsules, 'mail' and 'post'"),
    ],
)
def test_a_queue_in_two_capsules_is_refused(queues, capsules, names):
    with pytest.raises(ConfigurationError, match=names):
        Config(queues=queues, capsules=capsules)


def test_lists_are_kept_as_tuples_and_options_as_a_copy():
    options = {"retry": 1}

    config = Config(queues=["a"], capsules=[MAIL], labels=["web"], default_job_options=options)
    options["retry"] = 2

    assert (config.queues, config.capsules, config.labels) == ((("a", 0),), (MAIL,), ("web",))
    assert config.default_job_options == {"retry": 1}


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().concurrency = 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        MAIL.concurrency = 5


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
    assert capsule.queues == (("mailers", 1), ("low", 1), ("default", 1))


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


def test_there_is_no_default_capsule_where_the_others_serve_everything():
    everything = dataclasses.replace(MAIL, queues=["mailers", "default"])

    assert Config(capsules=[everything]).all_capsules(("mailers",)) == (everything,)


def test_a_url_is_neither_shown_nor_quoted():
    assert "secret" not in repr(Config(redis_url="redis://:secret@host"))
    with pytest.raises(ConfigurationError, match="redis_url must be one string, not bytes") as caught:
        Config(redis_url=b"redis://:secret@host")
    assert "secret" not in str(caught.value)
