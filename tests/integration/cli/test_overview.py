import json
import time

import pytest

from tests.integration.cli.conftest import job

ONE, TWO = "web-1:11:0123456789ab", "web-2:12:0123456789ab"


def cells(output):
    """Return the rows of a table as lists of words."""
    return [line.split() for line in output.splitlines()]


def test_stats_shows_what_was_done_and_what_waits(sidelong, seed, redis_client):
    redis_client.mset({"stat:processed": 1234567, "stat:failed": 3})
    seed.queue("mailers", job("a"), job("b"))
    seed.set("retry", (1.0, job("c")))

    done = sidelong("stats")

    rows = dict(line.rsplit(None, 1) for line in done.stdout.splitlines())
    assert done.exit_code == 0
    assert rows["processed"] == "1,234,567"
    assert (rows["enqueued"], rows["retry"], rows["dead"]) == ("2", "1", "0")


def test_stats_shows_days_of_history(sidelong, redis_client):
    today = time.strftime("%Y-%m-%d", time.gmtime())
    redis_client.set(f"stat:processed:{today}", 5, ex=100)

    done = json.loads(sidelong("stats", "--days", "2", "--json").stdout)

    assert [day["processed"] for day in done["history"]] in ([5, 0], [0, 5])


def test_a_key_of_the_wrong_type_is_told_and_spoils_nothing_else(sidelong, seed, redis_client):
    redis_client.set("retry", "nonsense")
    seed.queue("mailers", job("a"))
    redis_client.sadd("queues", "broken")
    redis_client.set("queue:broken", "nonsense")

    stats, queues, monitor = sidelong("stats"), sidelong("queues"), sidelong("monitor", "--processes", "0")

    assert (stats.exit_code, queues.exit_code, monitor.exit_code) == (0, 0, 1)
    assert "retry" in stats.stderr
    assert cells(queues.stdout)[1][:2] == ["mailers", "1"]
    assert "invalid: WRONGTYPE" in queues.stdout
    assert monitor.stdout.startswith("a key cannot be read: WRONGTYPE")
    redis_client.delete("retry", "queue:broken")


def test_which_queues_there_are_or_are_paused_may_be_unreadable_and_is_told(sidelong, seed, redis_client):
    seed.queue("mailers", job("a"))
    redis_client.set("paused", "nonsense")
    paused = sidelong("queues"), sidelong("monitor", "--processes", "0")
    why = sidelong("why", "a")
    redis_client.delete("queues", "paused")
    redis_client.set("queues", "nonsense")
    unknown = sidelong("queues"), sidelong("monitor", "--processes", "0")
    redis_client.delete("queues")

    assert [done.exit_code for done in (*paused, why, *unknown)] == [0, 1, 0, 1, 1]
    assert cells(paused[0].stdout)[1][:2] == ["mailers", "1"]
    assert "cannot be read which queues are paused, and workers pause none: WRONGTYPE" in paused[0].stderr
    assert paused[1].stdout.startswith("it cannot be read which queues are paused: WRONGTYPE")
    assert "whether the queue mailers is paused cannot be read, so that workers serve it: WRONGTYPE" in why.stdout
    assert unknown[0].stderr.startswith("sidelong: WRONGTYPE")
    assert unknown[1].stdout.startswith("it cannot be read which queues there are: WRONGTYPE")


def test_monitor_and_check_tell_of_a_queue_that_nobody_knows(sidelong, seed, project):
    project("shop_app.py", "from sidelong import Sidelong\napp = Sidelong()\n")
    seed.process(ONE, queues=["new"])
    seed.queue("default", job("a"))

    monitor = sidelong("monitor", "-q", "defualt", "-q", "new")
    check = sidelong("check", "shop_app.py", "-q", "defualt")

    assert (monitor.exit_code, monitor.stdout) == (1, "there is no queue 'defualt'; did you mean 'default'?\n")
    assert check.stderr == "sidelong: there is no queue 'defualt'; did you mean 'default'?\n"
    assert (check.exit_code, check.stdout) == (0, "nothing was checked: no job waits there\n")


def test_queues_shows_size_latency_and_who_serves_them(sidelong, seed, redis_client):
    seed.queue("mailers", job("a", enqueued_at=time.time() - 125))
    seed.queue("paused", job("b", enqueued_at=time.time() - 7300))
    redis_client.sadd("paused", "paused")
    seed.process(ONE, queues=["paused"])
    seed.process(TWO, queues=["mailers"], quiet="true")

    done = sidelong("queues")

    assert cells(done.stdout)[1:] == [
        ["mailers", "1", "2", "min", "0", "nobody", "serves", "it"],
        ["paused", "1", "2", "h", "1", "paused"],
    ]


@pytest.mark.parametrize("name", [b"a*[b]?", b"caf\xc3\xa9 \xff", b"\x1b[31mred\n"])
def test_any_name_of_a_queue_can_be_shown_and_paused(sidelong, redis_client, name):
    redis_client.sadd("queues", name)
    redis_client.lpush(b"queue:" + name, json.dumps(job("a")))
    typed = name.decode("utf-8", "surrogateescape")

    listed, paused = sidelong("queues"), sidelong("pause", typed)

    assert (listed.exit_code, paused.exit_code) == (0, 0)
    assert len(listed.stdout.splitlines()) == 2
    assert "\x1b" not in listed.stdout + paused.stdout
    assert redis_client.smembers("paused") == {name}
    assert json.loads(sidelong("queues", "--json").stdout)[0]["paused"]


def test_ps_shows_processes(sidelong, seed):
    seed.process(ONE, queues=["a", "b"], busy=3, beat=time.time() - 4)
    seed.process(TWO, quiet="true", embedded=True)

    table, documents = sidelong("ps"), json.loads(sidelong("ps", "--json").stdout)

    first, second = cells(table.stdout)[1:]
    assert first[:3] == [ONE, "3/10", "50"]
    assert first[-1] == "a,b"
    assert second[-2:] == ["quiet,", "embedded"]
    assert [each["identity"] for each in documents] == [ONE, TWO]
    assert documents[0]["started_at"] == "1970-01-01T00:00:01.000000Z"


def test_ps_says_that_nothing_runs(sidelong):
    done = sidelong("ps")

    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "sidelong: no worker process is running\n"


def test_pause_and_unpause_say_what_they_have_changed(sidelong, seed, redis_client):
    seed.queue("mailers", job("a"))

    first, again = sidelong("pause", "mailers", "mailer"), sidelong("pause", "mailers")
    paused = redis_client.smembers("paused")
    served, not_paused = sidelong("unpause", "mailers", "mailer"), sidelong("unpause", "mailers")

    assert first.stdout == "mailers is paused\nmailer is paused\n"
    assert first.stderr == "sidelong: nothing was enqueued to 'mailer' yet; did you mean 'mailers'?\n"
    assert again.stdout == "mailers was paused already\n"
    assert paused == {b"mailers", b"mailer"}
    assert served.stdout == "mailers is served again\nmailer is served again\n"
    assert not_paused.stdout == "mailers was not paused\n"
    assert redis_client.smembers("paused") == set()


@pytest.mark.parametrize(("order", "signal"), [("quiet", b"TSTP"), ("stop", b"TERM"), ("dump", b"TTIN")])
def test_signals_reach_the_process_that_is_named_in_full_or_in_part(sidelong, seed, redis_client, order, signal):
    seed.process(ONE)
    seed.process(TWO)

    done = sidelong(order, "web-2")

    assert done.exit_code == 0
    assert done.stdout.startswith(f"{TWO} is told to ")
    assert redis_client.lrange(f"{TWO}-signals", 0, -1) == [signal]
    assert not redis_client.exists(f"{ONE}-signals")


def test_all_processes_are_told_but_those_embedded_in_another_program(sidelong, seed, redis_client):
    seed.process(ONE, embedded=True)
    seed.process(TWO)

    done = sidelong("stop", "--all")

    assert done.exit_code == 1
    assert done.stdout == f"{TWO} is told to stop\n"
    assert f"{ONE} is embedded in another program" in done.stderr
    assert not redis_client.exists(f"{ONE}-signals")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "name the processes as `sidelong ps` does, or write --all"),
        (["web-1", "--all"], "name the processes as `sidelong ps` does, or write --all"),
        (["web"], f"web may be {ONE} or {TWO}: write more of it"),
        (["db-1"], "no living process is called db-1: `sidelong ps` lists them"),
        ([""], "no living process is called : `sidelong ps` lists them"),
    ],
)
def test_a_process_that_is_not_clear_is_misuse_and_nobody_is_told(sidelong, seed, redis_client, words, sentence):
    seed.process(ONE)
    seed.process(TWO)

    done = sidelong("quiet", *words)

    assert done.exit_code == 2
    assert done.stderr == f"sidelong: {sentence}\n"
    assert not redis_client.exists(f"{ONE}-signals", f"{TWO}-signals")


def test_monitor_is_content_where_all_is_well(sidelong, seed):
    seed.process(ONE)
    seed.queue("default", job("a", enqueued_at=time.time()))

    done = sidelong("monitor", "--latency", "5m", "--retries", "0", "--dead", "0", "--memory", "100")

    assert (done.exit_code, done.stdout, done.stderr) == (0, "ok\n", "")


def test_monitor_says_each_problem_in_a_line(sidelong, seed, redis_client):
    seed.process(ONE, quiet="true")
    seed.queue("slow", job("a", enqueued_at=time.time() - 400))
    seed.queue("other", job("a", enqueued_at=time.time() - 400))
    redis_client.sadd("paused", "slow")
    seed.set("retry", (1.0, job("b")), (2.0, job("c")))
    seed.set("dead", (1.0, job("d")))
    words = ["--latency", "5m", "-q", "slow", "--retries", "1", "--dead", "0", "--memory", "0"]

    done = sidelong("monitor", *words)
    document = json.loads(sidelong("monitor", *words, "--json").stdout)

    lines = done.stdout.splitlines()
    assert done.exit_code == 1
    assert lines[:4] == [
        "no worker process fetches jobs, and 1 quiet one",
        "queue slow: the next job has waited for 6 min, more than 5 min; it is paused",
        "waiting for another attempt: 2 jobs, more than 1",
        "dead: 1 job, more than 0",
    ]
    assert lines[4].startswith("Redis has taken ")
    assert not document["ok"]
    assert [each["check"] for each in document["problems"]] == ["processes", "latency", "retries", "dead", "memory"]


def test_a_wrong_duration_is_misuse(sidelong):
    done = sidelong("monitor", "--latency", "soon")

    assert done.exit_code == 2
    assert done.stderr.startswith("sidelong: 'soon' is not a duration")


@pytest.mark.parametrize("words", [["stats"], ["ps"], ["queues"], ["monitor"], ["pause", "a"], ["stop", "--all"]])
def test_a_redis_that_is_gone_is_one_sentence(sidelong, words):
    done = sidelong(*words, "--redis", "redis://:secret@127.0.0.1:1/0")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("sidelong: no connection to Redis at redis://")
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--redis", "nonsense"], "the Redis URL must begin with redis://"),
        (["--redis", "memory://"], "memory:// lives inside another process"),
        (["--app", "nothing_here"], "There is no module 'nothing_here'"),
    ],
)
def test_wrong_use_is_one_sentence_and_status_two(sidelong, words, sentence):
    done = sidelong("stats", *words)

    assert done.exit_code == 2
    assert done.stderr.startswith(f"sidelong: {sentence}")
    assert done.stderr.count("\n") == 1


def test_the_app_says_which_redis(sidelong, project, redis_server, redis_client):
    project("app_here.py", f"from sidelong import Sidelong\napp = Sidelong({redis_server.url!r})\n")
    redis_client.set("stat:processed", 77)

    done = sidelong("stats", "--app", "app_here")

    assert done.stdout.split()[:2] == ["processed", "77"]
