import json
import time

import pytest

from sidelong.cli.enqueue import read_arguments

APP = """
from datetime import datetime

from sidelong import JobClass, Sidelong

app = Sidelong(default_job_options={"retry": 3})


@app.job(queue="mailers", tags=["mail"])
async def welcome(user_id: int, note: str = "") -> None: ...


@app.job(name="Remind", aliases=["OldRemind"])
async def remind(when: datetime) -> None: ...


@app.job
class Pack(JobClass):
    async def perform(self, *orders: int) -> None: ...
"""
STOPPING = """

@app.client_middleware
async def stop(job, call_next):
    return None
"""
FAILING = """

@app.client_middleware
async def fail(job, call_next):
    await call_next(job)
    raise LookupError("after the push")
"""


@pytest.fixture
def enqueue(command, project, redis_server):
    """Runs `sidelong enqueue` on an app whose Redis the environment names."""
    project("enqueue_app.py", APP)

    def run(*words, **environment):
        return command("enqueue", *words, **{"REDIS_URL": redis_server.url, **environment})

    return run


def stored(redis_client, queue):
    return [json.loads(raw) for raw in redis_client.lrange(f"queue:{queue}", 0, -1)]


def test_a_job_gets_its_own_options_and_its_id_stands_alone_on_stdout(enqueue, redis_client):
    done = enqueue("enqueue_app:welcome", "42", "hello")

    (payload,) = stored(redis_client, "mailers")
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"{payload['jid']}\n", "")
    assert (payload["class"], payload["args"]) == ("enqueue_app.welcome", [42, "hello"])
    assert (payload["tags"], payload["retry"]) == (["mail"], 3)


def test_a_class_and_a_file_can_be_named_and_the_queue_changed(enqueue, redis_client):
    done = enqueue("enqueue_app.py:Pack", "1", "2", "3", "-q", "low")

    (payload,) = stored(redis_client, "low")
    assert done.exit_code == 0
    assert (payload["class"], payload["args"]) == ("enqueue_app.Pack", [1, 2, 3])


def test_arguments_are_those_of_a_payload_and_options_end_at_two_dashes(enqueue, redis_client):
    assert enqueue("enqueue_app:remind", "2030-01-31T08:00:00Z").exit_code == 0
    assert enqueue("enqueue_app:Pack", "--", "-5").exit_code == 0

    pack, remind = stored(redis_client, "default")
    assert remind["args"] == ["2030-01-31T08:00:00Z"]
    assert pack["args"] == [-5]


@pytest.mark.parametrize("name", ["Remind", "OldRemind"])
def test_a_wire_name_is_looked_up_in_the_app(enqueue, redis_client, name):
    done = enqueue(name, "2030-01-31T08:00:00Z", "--app", "enqueue_app")

    (payload,) = stored(redis_client, "default")
    assert (done.exit_code, payload["class"], payload["retry"]) == (0, "Remind", 3)


def test_of_an_unknown_name_nothing_is_known(enqueue, redis_client, project):
    project("sidelong.toml", "[default_job_options]\nretry = 1\n")

    done = enqueue("Mailers::Welcome", "42", '{"locale": "de"}', "-q", "ruby")

    (payload,) = stored(redis_client, "ruby")
    assert (done.exit_code, done.stderr) == (0, "")
    assert (payload["class"], payload["args"], payload["retry"]) == ("Mailers::Welcome", [42, {"locale": "de"}], 1)


def test_a_name_without_a_queue_is_told_where_it_went(enqueue, redis_client):
    done = enqueue("HardJob")

    (payload,) = stored(redis_client, "default")
    assert (done.exit_code, done.stdout) == (0, f"{payload['jid']}\n")
    assert done.stderr == (
        "sidelong: nothing is known of HardJob here: it is in the queue 'default', and -q names another\n"
    )


def test_later_is_after_a_while_or_at_an_instant(enqueue, redis_client):
    before = time.time()

    soon = enqueue("enqueue_app:welcome", "1", "--in", "1h30m").stdout.strip()
    then = enqueue("enqueue_app:welcome", "2", "--at", "2030-01-31T08:00:00+01:00").stdout.strip()

    due = {json.loads(raw)["jid"]: score for raw, score in redis_client.zrange("schedule", 0, -1, withscores=True)}
    assert due == {soon: pytest.approx(before + 5400, abs=30), then: 1896073200}


def test_a_flag_beats_the_redis_of_the_code(command, project, redis_server, redis_client):
    project("fixed_app.py", APP.replace("Sidelong(", 'Sidelong("redis://127.0.0.1:1", '))

    done = command("enqueue", "fixed_app:welcome", "1", "--redis", redis_server.url)

    assert done.exit_code == 0
    assert len(stored(redis_client, "mailers")) == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["enqueue_app:welcome"], "enqueue_app.welcome: missing a required argument: 'user_id'"),
        (["enqueue_app:welcome", "Ada"], "enqueue_app.welcome: user_id does not fit int"),
        (["enqueue_app:welcome", "1", "2"], "enqueue_app.welcome: note does not fit str"),
        (["enqueue_app:welcome", "1", "--in", "soon"], "'soon' is not a duration"),
        (["enqueue_app:welcome", "1", "--at", "2030-01-31"], "'2030-01-31' has no time zone"),
        (["enqueue_app:welcome", "1", "--at", "1e12"], "a time must"),
        (["enqueue_app:welcome", "1", "--in", "1", "--at", "1"], "give --in or --at, not both"),
        (["enqueue_app:welcome", "1", "-q", "a b"], "'a b' is not a queue name"),
        (["enqueue_app:nothing"], "'enqueue_app' has no 'nothing'"),
        (["enqueue_app:app"], "'enqueue_app:app' is an app"),
        (["Remnd", "--app", "enqueue_app"], "enqueue_app has no job 'Remnd'; did you mean 'Remind'?"),
        (["HardWork", "--app", "enqueue_app"], "enqueue_app has no job 'HardWork'; leave --app out for"),
        (["Job", "--redis", "memory://"], "memory:// ends with this command"),
        (["Job", "--redis", "nonsense"], "the Redis URL must begin with"),
        (["Job", '"\\ud800"'], "args[0] holds a lone surrogate"),
        (["Job\udcff"], 'payload["class"] holds a lone surrogate'),
        ([""], "a job's 'class' must not be empty"),
    ],
)
def test_what_has_to_be_changed_is_one_sentence_and_status_two(enqueue, redis_client, words, sentence):
    done = enqueue(*words)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"sidelong: {sentence}")
    assert done.stderr.count("\n") == 1
    assert redis_client.keys("*") == []


def test_redis_out_of_reach_is_status_one(enqueue):
    done = enqueue("enqueue_app:welcome", "1", REDIS_URL="redis://:secret@127.0.0.1:1")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("sidelong: nothing was stored: no connection to Redis")
    assert "secret" not in done.stderr


def test_code_that_fails_is_status_one(enqueue, project):
    project("failing_enqueue_app.py", "1 / 0\n")

    done = enqueue("failing_enqueue_app:job")

    assert done.exit_code == 1
    assert "Traceback" in done.stderr


def test_an_answer_that_never_comes_is_status_three_and_names_the_job(enqueue, proxy, redis_server, redis_client):
    proxy.drop_reply_to(b"LPUSH queue:mailers")

    done = enqueue("enqueue_app:welcome", "1", REDIS_URL=proxy.url(redis_server.number))

    (payload,) = stored(redis_client, "mailers")
    assert (done.exit_code, done.stdout) == (3, "")
    assert payload["jid"] in done.stderr


def test_a_middleware_that_stops_the_job_is_status_four(enqueue, project, redis_client):
    project("stopping_app.py", APP + STOPPING)

    done = enqueue("stopping_app:welcome", "1")

    assert (done.exit_code, done.stdout) == (4, "")
    assert done.stderr == "sidelong: a client middleware stopped the job: nothing was stored\n"
    assert redis_client.keys("*") == []


def test_a_middleware_that_fails_leaves_it_open_whether_the_job_is_stored(enqueue, project):
    project("failing_middleware_app.py", APP + FAILING)

    done = enqueue("failing_middleware_app:welcome", "1")

    assert (done.exit_code, done.stdout) == (3, "")
    assert "LookupError: after the push" in done.stderr
    assert done.stderr.endswith("sidelong: a client middleware failed: the job may or may not be stored\n")


def test_what_is_json_is_json_and_all_else_a_string():
    texts = ["1", "1.10", "null", "[1]", '"42"', "abc", "007", "NaN", "-Infinity", "{", ""]

    assert read_arguments(texts, are_strings=False) == [
        1,
        1.1,
        None,
        [1],
        "42",
        "abc",
        "007",
        "NaN",
        "-Infinity",
        "{",
        "",
    ]
    assert read_arguments(texts, are_strings=True) == texts
