import os

import pytest

from sidelong import Capsule, ConfigurationError, Sidelong
from sidelong.core.config import Config
from sidelong.errors import SettingSourceError
from sidelong.settings import (
    environment_and_file,
    log_format,
    oversights,
    prefer,
    refuse_several_processes,
    resolve,
    resque_queues,
    service_manager,
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current directory, the root of a repository so that none above it is looked at."""
    directory = tmp_path / "shop"
    (directory / ".git").mkdir(parents=True)
    monkeypatch.chdir(directory)
    return directory


def config_of(environ, **given):
    return resolve(given, environ).config


@pytest.mark.parametrize(
    ("environ", "expected", "source"),
    [
        ({}, "redis://localhost:6379/0", "default"),
        ({"REDIS_URL": "redis://a"}, "redis://a", "REDIS_URL"),
        ({"REDIS_URL": ""}, "redis://localhost:6379/0", "default"),
        ({"REDIS_URL": "redis://a", "REDIS_PROVIDER": "CLOUD", "CLOUD": "redis://b"}, "redis://b", "CLOUD"),
        ({"SIDELONG_REDIS_URL": "redis://c", "REDIS_PROVIDER": "x:y"}, "redis://c", "SIDELONG_REDIS_URL"),
    ],
)
def test_the_most_particular_variable_names_the_redis(here, environ, expected, source):
    settings = resolve({}, environ)

    assert (settings.config.redis_url, settings.sources["redis_url"]) == (expected, source)


def test_refuses_a_url_where_the_name_of_a_variable_belongs(here):
    with pytest.raises(ConfigurationError, match="must be the name of the variable") as caught:
        resolve({}, {"REDIS_PROVIDER": "redis://:secret@host"})

    assert "secret" not in str(caught.value)


def test_refuses_a_provider_that_is_not_set(here):
    with pytest.raises(ConfigurationError, match="names the variable CLOUD, which is not set"):
        resolve({}, {"REDIS_PROVIDER": "CLOUD"})


def test_the_platform_may_name_the_host(here):
    assert config_of({"DYNO": "worker.1"}).hostname == "worker.1"
    assert config_of({"DYNO": "worker.1", "SIDELONG_HOSTNAME": "mine"}).hostname == "mine"
    assert config_of({}).hostname is None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("concurrency", "50", 50),
        ("timeout", " 2.5 ", 2.5),
        ("job_logging", "no", False),
        ("job_logging", "TRUE", True),
        ("job_logging", "0", False),
        ("hostname", "box", "box"),
        ("log_format", "json", "json"),
        ("labels", "blue, eu,", ("blue", "eu")),
        ("queues", "critical,3 default", (("critical", 3), ("default", 1))),
        ("queues", "critical default", (("critical", 0), ("default", 0))),
        ("default_job_options", '{"retry": 5, "tags": ["a"]}', {"retry": 5, "tags": ["a"]}),
    ],
)
def test_a_variable_is_converted_to_the_type_of_its_setting(here, name, text, value):
    settings = resolve({}, {f"SIDELONG_{name.upper()}": text})

    assert getattr(settings.config, name) == value
    assert settings.sources[name] == f"SIDELONG_{name.upper()}"


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("concurrency", "many", "SIDELONG_CONCURRENCY: concurrency must be a whole number, not 'many'"),
        ("concurrency", "0", "SIDELONG_CONCURRENCY: concurrency must be a whole number of at least 1, not 0"),
        ("timeout", "25s", "SIDELONG_TIMEOUT: timeout must be a number, not '25s'"),
        ("timeout", "nan", "SIDELONG_TIMEOUT: timeout must be a number of seconds, at least 0, not nan"),
        ("job_logging", "maybe", "SIDELONG_JOB_LOGGING: job_logging must be true or false, not 'maybe'"),
        ("queues", "a,x", "SIDELONG_QUEUES: queues: 'a,x': the weight of a queue must be a whole number"),
        (
            "default_job_options",
            "[]",
            "SIDELONG_DEFAULT_JOB_OPTIONS: default_job_options must be a JSON object, not '[]'",
        ),
        (
            "default_job_options",
            '{"retry": "often"}',
            "SIDELONG_DEFAULT_JOB_OPTIONS: default_job_options: retry must be True,"
            " False or a number of retries from 0 up, not 'often'",
        ),
        (
            "capsules",
            "slow",
            "SIDELONG_CAPSULES: capsules cannot be given as text: it belongs in code or in the settings file",
        ),
        (
            "concurrency",
            "redis://:pw@a/0",
            "SIDELONG_CONCURRENCY: concurrency cannot be a URL",
        ),
        ("lease_ttl", "8", "SIDELONG_LEASE_TTL: lease_ttl must be more than two beat intervals (beat_interval)"),
    ],
)
def test_a_variable_that_cannot_work_is_one_sentence_that_names_it(here, name, text, sentence):
    with pytest.raises(SettingSourceError) as caught:
        resolve({}, {f"SIDELONG_{name.upper()}": text})

    assert str(caught.value) == sentence


def test_code_beats_the_environment_which_beats_the_file_which_beats_the_defaults(here):
    (here / "sidelong.toml").write_text("concurrency = 1\ntimeout = 2\nmax_retries = 3\n")
    environ = {"SIDELONG_CONCURRENCY": "10", "SIDELONG_TIMEOUT": "20"}

    settings = resolve({"concurrency": 100}, environ)

    assert (settings.config.concurrency, settings.config.timeout, settings.config.max_retries) == (100, 20, 3)
    assert settings.config.crash_limit == 3
    assert environment_and_file(environ) == ("development", here / "sidelong.toml")
    assert {name: settings.sources[name] for name in ("concurrency", "timeout", "max_retries", "crash_limit")} == {
        "concurrency": "code",
        "timeout": "SIDELONG_TIMEOUT",
        "max_retries": "sidelong.toml",
        "crash_limit": "default",
    }


def test_what_code_gives_is_not_looked_at_elsewhere(here):
    (here / "sidelong.toml").write_text('redis = "${NOT_SET}"\n')

    config = config_of({"SIDELONG_CONCURRENCY": "many"}, concurrency=5, redis_url="redis://code")

    assert (config.concurrency, config.redis_url) == (5, "redis://code")


def test_an_application_is_made_of_all_layers(here, monkeypatch):
    (here / "sidelong.toml").write_text('redis = "redis://file"\ntimeout = 7\ndefault_job_options = {retry = 2}\n')
    monkeypatch.setenv("SIDELONG_CONCURRENCY", "33")
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.delenv("SIDELONG_REDIS_URL", raising=False)

    app = Sidelong(max_retries=4)
    hello = app.job(name="hello")(lambda: None)

    assert (app.config.redis_url, app.config.concurrency, app.config.timeout) == ("redis://file", 33, 7)
    assert app.sources["max_retries"] == "code"
    assert hello.options.retry == 2


def test_an_address_that_cannot_be_used_names_where_it_stands(here, monkeypatch):
    (here / "sidelong.toml").write_text('redis = "http://:secret@file"\n')
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.delenv("SIDELONG_REDIS_URL", raising=False)

    with pytest.raises(SettingSourceError, match=r"^sidelong\.toml: the Redis URL must begin with") as caught:
        Sidelong()

    assert "secret" not in str(caught.value)


def test_the_file_has_native_types_and_tables(here):
    (here / "sidelong.toml").write_text(
        """
        concurrency = 20
        timeout = 5
        job_logging = false
        queues = ["critical,3", ["default", 1]]
        labels = ["blue"]

        [capsules.slow]
        concurrency = 2
        queues = ["pdf"]

        [default_job_options]
        retry = 5
        tags = ["shop"]
        """
    )

    config = config_of({})

    assert (config.concurrency, config.timeout, config.job_logging) == (20, 5.0, False)
    assert config.queues == (("critical", 3), ("default", 1))
    assert config.capsules == (Capsule(name="slow", concurrency=2, queues=["pdf"]),)
    assert config.default_job_options == {"retry": 5, "tags": ["shop"]}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("concurency = 5", "sidelong.toml: there is no setting 'concurency'; did you mean 'concurrency'?"),
        ("[env.test]\nconcurency = 5", "sidelong.toml [env.test]: there is no setting 'concurency'; did you mean 'con"),
        ("[env]\nconcurrency = 5", "sidelong.toml: env must hold tables, as in [env.production]"),
        ("concurrency = '5'", "sidelong.toml: concurrency must be a whole number of at least 1, not '5'"),
        ("transient = ['OSError']", "sidelong.toml: transient must be a list of exception classes, given in code"),
        ("redis = 'redis://a'\nredis_url = 'redis://b'", "sidelong.toml: 'redis' and 'redis_url' are the same"),
        ("capsules = ['slow']", "sidelong.toml: capsules must hold a table for each capsule, as in [capsules.slow]"),
        ("[capsules.slow]\nqueues = ['a']", "sidelong.toml: capsules: capsule 'slow' needs concurrency"),
        (
            "[capsules.slow]\nqueus = ['a']",
            "sidelong.toml: capsules: capsule 'slow' has no setting 'queus'; did you mean 'queues'?",
        ),
        ("[default_job_options]\nretry = 'often'", "sidelong.toml: default_job_options: retry must be True, False"),
        ("concurrency = ", "sidelong.toml is not TOML: Invalid value (at end of"),
        ("lease_ttl = 5", "sidelong.toml: lease_ttl must be more than two beat intervals"),
        (
            "redis = '${CLOUD_URL}'",
            "sidelong.toml: redis needs the variable CLOUD_URL, which is not set: set it, or",
        ),
        ("redis = 'redis://:$ecret@a'", "sidelong.toml: redis has a dollar sign by itself: write ${NAME} or"),
        ("redis = '${A:-${B}}'", "sidelong.toml: redis has a dollar sign by itself"),
        ("concurrency = '${SECRET}'", "sidelong.toml: concurrency must be a whole number, not '${SECRET}'"),
        ("queues = 'a ${SECRET}!!'", "sidelong.toml: queues: 'a ${SECRET}!!' is not a queue name"),
        ("concurrency = 'redis://:${SECRET}@a'", "sidelong.toml: concurrency cannot be a URL"),
        ("redis = ['redis://:${SECRET}@a']", "sidelong.toml: redis must be one string"),
        (
            "log_format = '${SECRET}'",
            "sidelong.toml: log_format must be one of auto, pretty, plain, json, not '${SECRET}'",
        ),
    ],
)
def test_a_file_that_cannot_work_is_one_sentence_that_names_file_and_key(here, text, sentence):
    (here / "sidelong.toml").write_text(text)

    with pytest.raises(SettingSourceError) as caught:
        resolve({}, {"SECRET": "hunter2"})

    assert str(caught.value).startswith(sentence)
    assert "hunter2" not in str(caught.value)
    assert "ecret@" not in str(caught.value)


def test_variables_in_the_file_are_converted_to_the_type_of_the_setting(here):
    (here / "sidelong.toml").write_text(
        """
        redis = "redis://${USER_NAME}:pa$$word@${HOST:-localhost}/${DB:-0}"
        concurrency = "${WORKERS:-7}"
        timeout = "${PATIENCE}"
        queues = "${QUEUES}"
        labels = ["${COLOUR}", "eu"]
        job_logging = "${LOUD:-off}"

        [capsules.slow]
        concurrency = "${SLOW:-2}"
        queues = ["${SLOW_QUEUE:-pdf}"]

        [default_job_options]
        retry = "${RETRY:-5}"
        dead = "${DEAD:-false}"
        team = "${COLOUR}"
        """
    )
    environ = {"USER_NAME": "ada", "PATIENCE": "2.5", "QUEUES": "a,2 b", "COLOUR": "blue", "WORKERS": ""}

    config = config_of(environ)

    assert config.redis_url == "redis://ada:pa$word@localhost/0"
    assert (config.concurrency, config.timeout, config.job_logging) == (7, 2.5, False)
    assert (config.queues, config.labels) == ((("a", 2), ("b", 1)), ("blue", "eu"))
    assert config.capsules == (Capsule(name="slow", concurrency=2, queues=["pdf"]),)
    assert config.default_job_options == {"retry": 5, "dead": False, "team": "blue"}


@pytest.mark.parametrize(
    ("environ", "name", "concurrency"),
    [
        ({}, "development", 1),
        ({"APP_ENV": "production"}, "production", 2),
        ({"APP_ENV": "test", "SIDELONG_ENV": "production"}, "production", 2),
        ({"APP_ENV": "test"}, "test", 1),
    ],
)
def test_the_section_of_the_environment_is_laid_over_the_rest(here, environ, name, concurrency):
    (here / "sidelong.toml").write_text("concurrency = 1\ntimeout = 3\n[env.production]\nconcurrency = 2\n")

    settings = resolve({}, environ)

    assert (environment_and_file(environ)[0], settings.config.concurrency, settings.config.timeout) == (
        name,
        concurrency,
        3,
    )
    assert settings.sources["concurrency"] == (
        "sidelong.toml" if concurrency == 1 else "sidelong.toml [env.production]"
    )


def test_a_project_file_counts_where_it_has_a_table_for_us(here):
    below = here / "src" / "shop"
    below.mkdir(parents=True)
    (below / "pyproject.toml").write_text('[project]\nname = "sidelong-user"\n')
    (here / "pyproject.toml").write_text(
        "[tool.sidelong]\nconcurrency = 4\n[tool.sidelong.env.test]\nconcurrency = 5\n"
    )

    settings = resolve({}, {"SIDELONG_ENV": "test"})

    assert settings.config.concurrency == 5
    assert settings.sources["concurrency"] == "pyproject.toml [tool.sidelong.env.test]"


@pytest.mark.parametrize("content", [b'name = "caf\xe9"', b"[[[", b'tool = "sidelong"'])
def test_a_project_file_that_says_nothing_to_us_need_not_be_right(content, here):
    (here / "pyproject.toml").write_bytes(content)

    assert resolve({}, {}).sources["concurrency"] == "default"


def test_the_nearest_file_holds_alone_and_our_own_beats_the_projects(here, monkeypatch):
    below = here / "web"
    below.mkdir()
    (here / "sidelong.toml").write_text("concurrency = 4\ntimeout = 4\n")
    (below / "pyproject.toml").write_text("[tool.sidelong]\nconcurrency = 5\n")
    monkeypatch.chdir(below)

    near = config_of({})
    (below / "sidelong.toml").write_text("concurrency = 6\n")
    nearest = config_of({})
    monkeypatch.chdir(here)
    far = config_of({})

    assert [(each.concurrency, each.timeout) for each in (near, nearest, far)] == [(5, 25), (6, 25), (4, 4)]


def test_the_search_ends_with_the_repository_and_before_a_directory_of_everybody(here, monkeypatch):
    (here.parent / "sidelong.toml").write_text("concurrency = 4\n")
    shared = here / "shared"
    own = shared / "own"
    own.mkdir(parents=True)
    shared.chmod(0o777)
    (shared / "sidelong.toml").write_text("concurrency = 5\n")

    outside_repository = config_of({})
    monkeypatch.chdir(own)
    under_shared = config_of({})

    assert (outside_repository.concurrency, under_shared.concurrency) == (10, 10)


def test_a_file_may_be_named_and_must_then_be_one(here):
    other = here / "other.toml"
    other.write_text("concurrency = 8\n")
    (here / "sidelong.toml").write_text("concurrency = 4\n")
    (here / "pyproject.toml").write_text("[project]\n")

    assert config_of({"SIDELONG_CONFIG": str(other)}).concurrency == 8
    with pytest.raises(SettingSourceError, match=r"^SIDELONG_CONFIG names missing\.toml, which is no file"):
        resolve({}, {"SIDELONG_CONFIG": "missing.toml"})
    with pytest.raises(
        SettingSourceError, match=r"^SIDELONG_CONFIG names pyproject\.toml, which has no \[tool\.sidelong\]"
    ):
        resolve({}, {"SIDELONG_CONFIG": "pyproject.toml"})


def test_flags_are_handed_on_as_variables(here):
    environ = {}
    (here / "other.toml").write_text("[env.staging]\nconcurrency = 8\n")

    prefer(file=here.joinpath("other.toml").relative_to(here), environment="staging", environ=environ)

    assert environ == {"SIDELONG_CONFIG": str(here / "other.toml"), "SIDELONG_ENV": "staging"}
    assert config_of(environ).concurrency == 8


@pytest.mark.parametrize(
    ("directory", "tag"), [("shop", "shop"), ("shop/releases/20260131120000", "shop"), ("releases/current", "current")]
)
def test_the_tag_is_the_name_of_the_directory_also_in_a_release(tmp_path, monkeypatch, directory, tag):
    (tmp_path / directory).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / directory)

    assert config_of({}).tag == tag
    assert config_of({"SIDELONG_TAG": "other"}).tag == "other"


def test_a_directory_that_is_gone_has_neither_file_nor_name(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert config_of({}) == Config()


def test_misspelt_variables_are_found_and_strangers_left_alone(here):
    environ = {
        "SIDELONG_CONCURENCY": "5",
        "SIDELONG_CONCURRENCY": "5",
        "SIDELONG_ENV": "test",
        "SIDELONG_SERVICE_HOST": "10.0.0.1",
        "SIDELONG_PORT_6379_TCP": "tcp://10.0.0.1:6379",
    }

    assert oversights(environ) == ["the variable SIDELONG_CONCURENCY says nothing; did you mean SIDELONG_CONCURRENCY?"]


def test_a_misspelt_environment_is_found_and_one_without_a_section_left_alone(here):
    (here / "sidelong.toml").write_text("[env.production]\nconcurrency = 5\n")

    assert oversights({"SIDELONG_ENV": "prodction"}) == [
        "sidelong.toml has no section for the environment prodction; did you mean production?"
    ]
    assert oversights({"SIDELONG_ENV": "staging"}) == []
    assert oversights({"SIDELONG_ENV": "production"}) == []
    assert oversights({}) == []


def test_the_format_of_the_log_is_known_before_there_is_an_application(here):
    (here / "sidelong.toml").write_text('log_format = "json"\n')

    assert log_format({}) == "json"
    assert log_format({"SIDELONG_LOG_FORMAT": "plain"}) == "plain"
    assert log_format({"SIDELONG_LOG_FORMAT": "nonsense"}) == "auto"


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, None),
        ({"QUEUE": ""}, None),
        ({"QUEUE": " , "}, None),
        ({"QUEUE": "*"}, ("QUEUE", ())),
        ({"QUEUE": "mailers"}, ("QUEUE", (("mailers", 0),))),
        ({"QUEUE": "critical, default,"}, ("QUEUE", (("critical", 0), ("default", 0)))),
        ({"QUEUES": "a,b", "QUEUE": "c"}, ("QUEUES", (("a", 0), ("b", 0)))),
        ({"QUEUE": "b,a, b"}, ("QUEUE", (("b", 0), ("a", 0)))),
    ],
)
@pytest.mark.parametrize("source", ["default", "sidelong.toml"])
def test_the_queues_of_resque_are_understood(environ, found, source):
    assert resque_queues(source, environ) == found


@pytest.mark.parametrize("source", ["code", "SIDELONG_QUEUES"])
def test_code_and_our_own_variable_beat_that_of_resque(source):
    assert resque_queues(source, {"QUEUE": "mail*"}) is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,*", "QUEUE: '*': patterns are not understood: name the queues, or write * alone for those of all jobs"),
        ("mail_*", "QUEUE: 'mail_*': patterns are not understood"),
        ("!slow,*", "QUEUE: '!slow': patterns are not understood"),
        ("a b", "QUEUE: 'a b' is not a queue name"),
        ("https://ada:hunter2@host/1", "QUEUE must hold names of queues, and holds a URL"),
    ],
)
def test_queues_of_resque_that_cannot_work_are_refused(text, sentence):
    with pytest.raises(SettingSourceError) as caught:
        resque_queues("default", {"QUEUE": text})

    assert str(caught.value).startswith(sentence)
    assert "hunter2" not in str(caught.value)


def test_no_app_reads_the_variables_of_resque(here):
    settings = resolve({}, {"QUEUE": "mail*", "COUNT": "2"})

    assert (settings.config.queues, settings.sources["queues"]) == ((), "default")


@pytest.mark.parametrize("count", ["2", "10", "02"])
def test_a_count_of_several_processes_is_refused(count):
    with pytest.raises(SettingSourceError, match=rf"^COUNT is {count}, but a command is one worker process here"):
        refuse_several_processes({"COUNT": count})


@pytest.mark.parametrize("environ", [{}, {"COUNT": ""}, {"COUNT": "1"}, {"COUNT": "0"}, {"COUNT": "many"}])
def test_a_count_of_one_or_of_something_else_is_not(environ):
    refuse_several_processes(environ)


@pytest.mark.parametrize(
    ("environ", "socket", "watchdog"),
    [
        ({}, "", None),
        ({"NOTIFY_SOCKET": "/run/systemd/notify", "WATCHDOG_USEC": "30000000"}, "/run/systemd/notify", 30.0),
        ({"NOTIFY_SOCKET": "@notify", "WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, "@notify", 0.5),
        ({"NOTIFY_SOCKET": "vsock:2:1", "WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, "", None),
        ({"WATCHDOG_USEC": "0"}, "", None),
        ({"WATCHDOG_USEC": "soon"}, "", None),
    ],
)
def test_what_systemd_says_is_read_if_it_is_meant_for_this_process(environ, socket, watchdog):
    manager = service_manager(environ)

    assert (manager.notify_socket, manager.watchdog) == (socket, watchdog)
