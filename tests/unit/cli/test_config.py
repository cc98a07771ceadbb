import json

import pytest

APP = """
from sidelong import Capsule, Sidelong

app = Sidelong(
    concurrency=5,
    timeout=9,
    capsules=[Capsule(name="slow", concurrency=2, queues=["pdf,2", "csv"])],
    default_job_options={"retry": 3, "retry_in": print},
    transient=[TimeoutError],
)
"""


def rows(output):
    """Return what is shown of each setting: its value and where it comes from."""
    table = [line.split(None, 1) for line in output.splitlines() if line]
    return {name: " ".join(rest.split()) for name, rest in table}


def test_every_setting_is_shown_with_where_it_comes_from(command, project):
    project("conf_app.py", APP)
    file = project("sidelong.toml", "max_retries = 7\ntimeout = 1\n[env.staging]\nlabels = ['blue', 'eu']\n")

    done = command("config", "conf_app:app", "-c", "50", "-q", "a,2", "-q", "b", "-e", "staging", SIDELONG_TAG="shop")

    assert done.exit_code == 0
    assert rows(done.stdout) == rows(done.stdout) | {
        "environment": "staging",
        "file": str(file),
        "redis_url": "redis://localhost:6379/0 default",
        "concurrency": "50 --concurrency",
        "queues": "a,2 b,1 --queue",
        "capsules": '{"slow": {"concurrency": 2, "queues": ["pdf,2", "csv,1"]}} code',
        "timeout": "9 code",
        "max_retries": "7 sidelong.toml",
        "tag": "shop SIDELONG_TAG",
        "labels": "blue eu sidelong.toml [env.staging]",
        "transient": "TimeoutError code",
        "hostname": "- default",
    }


@pytest.mark.parametrize("words", [[], ["--json"]])
@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://ada:hunter2@host:1/2", "redis://***@host:1/2"),
        (
            "redis+sentinel://ada:hunter2@a,b/main/2?sentinel_password=hunter2&tls=true",
            "redis+sentinel://***@a,b/main/2?sentinel_password=***&tls=true",
        ),
        ("redis://host?password=hunter2", "redis://host?password=***"),
    ],
)
def test_secrets_are_hidden_wherever_they_come_from(command, project, words, url, shown):
    project("conf_app.py", f"from sidelong import Sidelong\napp = Sidelong({url!r})\n")
    project("sidelong.toml", 'redis = "${CLOUD}"\n')

    by_flag = command("config", "--redis", url, *words, CLOUD=url)
    by_file = command("config", *words)
    by_code = command("config", "conf_app", *words)
    by_variable = command("config", *words, REDIS_URL=url)

    assert all(done.exit_code == 0 for done in (by_flag, by_file, by_code, by_variable))
    assert shown in by_file.stdout
    assert shown in by_variable.stdout
    assert "hunter2" not in by_flag.output + by_file.output + by_code.output + by_variable.output


def test_programs_get_json(command, project):
    project("conf_app.py", APP)

    done = command("config", "conf_app.py", "--json", "--log-format", "json", "--loop", "asyncio")

    document = json.loads(done.stdout)
    assert (document["environment"], document["file"]) == ("development", None)
    assert document["settings"]["event_loop"] == {"value": "asyncio", "source": "--loop"}
    assert document["settings"]["log_format"] == {"value": "json", "source": "--log-format"}
    assert document["settings"]["capsules"]["value"] == {"slow": {"concurrency": 2, "queues": ["pdf,2", "csv,1"]}}
    assert document["settings"]["default_job_options"]["value"]["retry"] == 3
    assert document["settings"]["queues"] == {"value": [], "source": "default"}


@pytest.mark.parametrize(
    ("words", "environment", "sentence"),
    [
        ([], {"SIDELONG_CONCURRENCY": "many"}, "sidelong: SIDELONG_CONCURRENCY: concurrency must be a whole number"),
        (["wrong:app"], {}, "sidelong: There is no module 'wrong'"),
        (["--redis", "nonsense"], {}, "sidelong: the Redis URL must begin with"),
        (["-q", "a,x"], {}, "sidelong: 'a,x': the weight"),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_status_two(command, words, environment, sentence):
    done = command("config", *words, **environment)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1


def test_a_misspelt_variable_is_told(command):
    done = command("config", SIDELONG_CONCURENCY="5")

    assert done.exit_code == 0
    assert "SIDELONG_CONCURENCY says nothing; did you mean SIDELONG_CONCURRENCY?" in done.stderr


def test_code_that_fails_is_status_one_with_its_traceback(command, project):
    project("failing_conf_app.py", "1 / 0\n")

    done = command("config", "failing_conf_app")

    assert done.exit_code == 1
    assert done.stderr.startswith("Traceback")
    assert "cannot be imported: ZeroDivisionError" in done.stderr


def test_the_queues_of_resque_are_shown_where_a_worker_would_serve_them(command, project):
    project("conf_app.py", APP)
    project("sidelong.toml", "queues = ['c']\n")

    by_variable = command("config", "conf_app:app", "--pidfile", "worker.pid", QUEUE="a,b")
    by_flag = command("config", "conf_app:app", "-q", "d")
    without_worker = command("config")

    assert rows(by_variable.stdout)["queues"] == "a b QUEUE"
    assert rows(by_flag.stdout)["queues"] == "d --queue"
    assert rows(without_worker.stdout)["queues"] == "c sidelong.toml"


def test_several_processes_are_refused_as_run_does(command, project):
    project("conf_app.py", APP)

    done = command("config", "conf_app:app", COUNT="3")

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("sidelong: COUNT is 3, but a command is one worker process here")
