import json
import time

import pytest

from tests.integration.cli.conftest import job
from tests.integration.cli.test_overview import ONE, TWO, cells

APP = """
from datetime import date

from sidelong import JobClass, Sidelong

app = Sidelong()


@app.job(name="shop.charge")
async def charge(order: int, note: str = "") -> None: ...


@app.job
class Report(JobClass):
    async def perform(self, day: date) -> None: ...
"""


def test_jobs_of_a_queue_are_listed_in_the_order_in_which_they_run(sidelong, seed):
    seed.queue("mailers", job("first", "Mail", 1, {"token": "hunter2"}), job("second", "Mail", "x"))

    oldest, newest = sidelong("jobs", "mailers"), sidelong("jobs", "mailers", "--newest-first", "--limit", "1")

    assert cells(oldest.stdout)[0] == ["WAITS", "JID", "CLASS", "ARGUMENTS"]
    assert [line.split()[2] for line in oldest.stdout.splitlines()[1:]] == ["first", "second"]
    assert '1, {"token": "***"}' in oldest.stdout
    assert "second" in newest.stdout
    assert "first" not in newest.stdout
    assert newest.stderr == "sidelong: 1 of 2; --limit 0 shows all\n"


@pytest.mark.parametrize(
    ("words", "jids"),
    [
        (["--class", "Charge"], ["a", "b"]),
        (["--class", "Charge", "--tag", "vip"], ["b"]),
        (["--error", "KeyError"], ["c"]),
        (["--queue", "low"], ["c"]),
        (["--text", "GRÜN"], ["a"]),
        (["--text", "nowhere"], []),
        (["--oldest-first"], ["a", "b", "c"]),
        (["--newest-first"], ["c", "b", "a"]),
    ],
)
def test_jobs_can_be_filtered_and_turned_round(sidelong, seed, words, jids):
    seed.set(
        "retry",
        (1.0, job("a", "Charge", "grün")),
        (2.0, job("b", "Charge", tags=["vip"])),
        (3.0, job("c", "Other", queue="low", error_class="KeyError", error_message="k", retry_count=4)),
    )

    done = sidelong("jobs", "retry", *words, "--json")

    assert done.exit_code == 0
    assert [json.loads(line)["jid"] for line in done.stdout.splitlines()] == jids


def test_the_dead_set_begins_with_what_died_last_and_the_others_with_what_runs_next(sidelong, seed):
    for name in ("schedule", "retry", "dead"):
        seed.set(name, (1.0, job("early")), (2.0, job("late")))

    first = {
        place: cells(sidelong("jobs", place).stdout)[1][2:] for place in ("schedule", "scheduled", "retry", "dead")
    }

    assert all("early" in first[place] for place in ("schedule", "scheduled", "retry"))
    assert "late" in first["dead"]


def test_a_queue_with_the_name_of_a_set_can_be_named(sidelong, seed):
    seed.queue("dead", job("waiting"))

    assert "waiting" in sidelong("jobs", "queue:dead").stdout
    assert sidelong("jobs", "dead").stderr == "sidelong: the dead set is empty\n"


def test_a_queue_that_nobody_knows_is_told_with_the_one_it_looks_like(sidelong, seed):
    seed.queue("mailers", job("a"))

    done = sidelong("jobs", "mailer")

    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "sidelong: there is no queue 'mailer'; did you mean 'mailers'?\n"


def test_any_bytes_and_any_score_are_rows(sidelong, seed, redis_client):
    hostile = [b"\xff\x00", b"[]", b'{"class":1,"args":{}}', b"9" * 5000, b'{"jid":"\\u001b[2J","class":"x","args":[]}']
    seed.queue("odd", *hostile)
    redis_client.zadd("retry", {b"\xfe": float("inf"), b"{}": float("-inf"), b'{"args":[],"class":"x"}': 1e300})

    queue, retry = sidelong("jobs", "odd"), sidelong("jobs", "retry")
    documents = [json.loads(line) for line in sidelong("jobs", "retry", "--json").stdout.splitlines()]

    assert (queue.exit_code, retry.exit_code) == (0, 0)
    assert len(queue.stdout.splitlines()) == 1 + len(hostile)
    assert "\x1b" not in queue.stdout
    assert [line.strip().split("  ")[0] for line in retry.stdout.splitlines()[1:]] == ["long ago", "never", "never"]
    assert [each["score"] for each in documents] == ["-inf", 1e300, "inf"]
    assert [each["at"] for each in documents] == [None] * 3
    assert documents[2]["raw"] == "\\xfe"


@pytest.mark.parametrize("place", ["retry", "queue:retry"])
def test_a_place_of_the_wrong_type_is_one_sentence(sidelong, redis_client, place):
    redis_client.hset("retry", "a", "b")
    redis_client.hset("queue:retry", "a", "b")

    done = sidelong("jobs", place)

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("sidelong: WRONGTYPE")
    assert done.stderr.count("\n") == 1
    redis_client.delete("retry", "queue:retry")


def test_running_jobs_are_listed_with_their_process(sidelong, seed, redis_client):
    seed.process(ONE)
    seed.work(ONE, "t1", job("running"), run_at=time.time() - 130)

    (row,) = cells(sidelong("jobs", "running").stdout)[1:]

    assert row == ["2", "min", "running", "default", "shop.charge", ONE]


def test_show_tells_all_of_a_job_and_hides_secrets(sidelong, seed):
    fields = {"retry_count": 2, "failed_at": 1.0, "retried_at": time.time() - 61, "error_class": "KeyError"}
    seed.set("retry", (9e9, job("a", "Charge", {"password": "hunter2"}, error_message="k\x1b", **fields, retry=5)))

    text, document, raw = sidelong("show", "a"), sidelong("show", "a", "--json"), sidelong("show", "a", "--raw")

    rows = {line[:12].strip(): line[12:] for line in text.stdout.splitlines()}
    assert rows["class"] == "Charge"
    assert rows["arguments"] == '{"password": "***"}'
    assert rows["where"].startswith("waits for another attempt, due in ")
    assert rows["failed"].startswith("3 times, first ")
    assert rows["last failed"].startswith("1 min ago (")
    assert rows[""] == "k\\x1b"
    assert "hunter2" not in text.stdout + document.stdout
    assert json.loads(document.stdout)[0]["error_class"] == "KeyError"
    assert "hunter2" in raw.stdout


@pytest.mark.parametrize("name", ["show", "why"])
@pytest.mark.parametrize("jid", ["nobody", "", "*", "\udcff"])
def test_a_job_that_is_nowhere_is_told(sidelong, seed, name, jid):
    seed.queue("default", job("a"), {"class": "x", "args": []})
    seed.set("dead", (1.0, b"{}"))

    done = sidelong(name, jid)

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.endswith("it is done, was deleted, or never was\n")


def test_a_search_passes_over_keys_of_the_wrong_type(sidelong, seed, redis_client):
    redis_client.set("retry", "x")
    redis_client.sadd("queues", "broken")
    redis_client.set("queue:broken", "x")
    seed.set("dead", (1.0, job("a")))

    done = sidelong("show", "a")

    assert done.exit_code == 0
    assert "jid         a" in done.stdout
    assert done.stderr.count("cannot be read: WRONGTYPE") == 2
    redis_client.delete("retry", "queue:broken")


def test_a_job_that_is_not_found_may_be_where_nobody_can_look(sidelong, redis_client):
    redis_client.set("retry", "x")

    for name in ("show", "why", "delete"):
        done = sidelong(name, "a")

        assert done.exit_code == 1
        reading, absence = done.stderr.splitlines()
        assert reading.startswith("sidelong: the retry set cannot be read: WRONGTYPE")
        assert absence == "sidelong: there is no job 'a': it may be where nobody can look"
    redis_client.delete("retry")


def reasons(sidelong, *words):
    return json.loads(sidelong("why", *words, "--watch", "0", "--json").stdout)[0]["reasons"]


def test_why_a_queued_job_waits(sidelong, seed, redis_client):
    seed.queue("mailers", job("a", queue="mailers"), job("b", queue="mailers"))

    nobody = reasons(sidelong, "b")
    seed.process(ONE, queues=["mailers"], quiet="true")
    redis_client.sadd("paused", "mailers")
    held = reasons(sidelong, "b")
    redis_client.delete("paused")
    seed.process(TWO, queues=["mailers"], busy=10)
    busy = reasons(sidelong, "b")
    seed.process(TWO, queues=["mailers"], busy=9)

    assert nobody == ["no living worker serves the queue mailers"]
    assert held == [
        "the queue mailers is paused: `sidelong unpause` ends that",
        "all workers that serve the queue mailers are quiet, and fetch no more jobs",
    ]
    assert busy == ["all 10 slots of the workers that serve the queue mailers are busy"]
    assert reasons(sidelong, "b") == []
    text = sidelong("why", "b", "--watch", "0").stdout.splitlines()
    assert text[0] == "b shop.charge()"
    assert text[1] == "It waits in the queue mailers."
    assert text[2].startswith("1 job is fetched before it; expected wait: unknown")


def test_why_knows_what_an_app_and_what_workers_know(sidelong, seed, project):
    project("shop_app.py", APP)
    seed.queue("default", job("a", "shop.lost"))
    seed.process(ONE, classes=json.dumps(["shop.charge"]))

    assert reasons(sidelong, "a", "--app", "shop_app.py") == [
        "shop_app.py has no job called shop.lost: it would fail as unknown",
        "no worker that serves its queue has a job called shop.lost: it would fail as unknown",
    ]


def test_why_tells_each_attempt_that_is_known_and_the_next_one(sidelong, seed):
    now = time.time()
    failed = {"retry_count": 3, "failed_at": now - 7300, "retried_at": now - 61, "error_class": "KeyError"}
    seed.set("retry", (now + 200, job("a", "Charge", **failed, crashed_at=[now - 3700], enqueued_at=now - 7400)))

    done = sidelong("why", "a")

    lines = [line.split("  ")[-1].strip() for line in done.stdout.split("\n\n")[1].splitlines()]
    assert "It waits for another attempt, due in 3 min" in done.stdout
    assert lines == [
        "created",
        "enqueued last",
        "attempt 1 failed",
        "attempts 2 to 3 failed; only the first and the last failure are kept",
        "its worker died while it ran",
        "attempt 4 failed with KeyError",
    ]


@pytest.mark.parametrize(
    ("ago", "process", "reason"),
    [
        (-100, {}, "its time has not come"),
        (2, {}, "its time has just come: a worker is about to enqueue it"),
        (400, None, "its time came 6 min ago, and no worker process is there to enqueue it"),
        (400, {}, "its time came 6 min ago, and no worker has enqueued it: their logs say why"),
    ],
)
def test_why_a_scheduled_job_waits(sidelong, seed, ago, process, reason):
    seed.set("schedule", (time.time() - ago, job("a")))
    if process is not None:
        seed.process(ONE)

    assert reasons(sidelong, "a")[0] == reason


def test_why_a_running_job_does_not_end(sidelong, seed, redis_client):
    seed.process(ONE, beat=time.time() - 4000)
    seed.work(ONE, "t1", job("a"), run_at=time.time() - 200)
    lost = "web-3:13:0123456789ac"
    redis_client.sadd("sidelong:owners", lost)
    redis_client.sadd(f"sidelong:owner-queues:{lost}", "default")
    redis_client.lpush(f"sidelong:inflight:{lost}:default", json.dumps(job("b")))

    silent, dead = sidelong("why", "a").stdout, reasons(sidelong, "b")

    assert f"It runs in {ONE} for 3 min." in silent
    assert "its process has sent no heartbeat for 1 h: it is frozen, or cannot reach Redis" in silent
    assert dead == ["its process has died: another one puts it back into its queue within a minute"]


def test_why_estimates_the_wait_from_how_fast_the_queue_moves(sidelong, seed, redis_client):
    import threading

    seed.queue("default", *[job(str(number)) for number in range(400)])
    seed.process(ONE)
    stop = threading.Event()

    def drain():
        while not stop.wait(0.02):
            redis_client.rpop("queue:default")

    thread = threading.Thread(target=drain)
    thread.start()
    story = json.loads(sidelong("why", "399", "--watch", "0.5", "--json").stdout)[0]
    stop.set()
    thread.join()

    assert 0 < story["jobs_per_second"] <= 50
    assert story["expected_wait"] == pytest.approx(story["position"] / story["jobs_per_second"])
    assert 0 < story["position"] < 400


def test_check_is_content_with_jobs_that_fit(sidelong, seed, project):
    project("shop_app.py", APP)
    seed.queue("default", job("a", "shop.charge", 1), job("b", "shop_app.Report", "2026-01-31"))
    seed.set("retry", (1.0, job("c", "shop.charge", 1, "x")))

    done = sidelong("check", "shop_app.py")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "3 jobs checked: the app knows them, and their arguments fit\n"


def test_check_tells_what_would_fail(sidelong, seed, project, redis_client):
    project("shop_app.py", APP)
    seed.queue("default", *[job(f"a{number}", "shop.gone") for number in range(3)], job("b", "shop.charge"), b"rubbish")
    seed.set("schedule", (1.0, job("c", "shop.charge", "one")), (2.0, job("d", "shop.charge", 1, "x", 2)))
    seed.set("retry", (1.0, job("e", "shop_app.Report", "someday")))
    redis_client.sadd("queues", "broken")
    redis_client.set("queue:broken", "x")

    done = sidelong("check", "shop_app.py")
    document = json.loads(sidelong("check", "shop_app.py", "--json").stdout)
    narrowed = sidelong("check", "shop_app.py", "-q", "nothing")

    assert done.exit_code == 1
    assert done.stdout.splitlines()[0] == "3 jobs in the queue default: shop.gone: the app has no such job (such as a0)"
    for text in (
        "1 job in the queue default: shop.charge: missing a required argument: 'order'",
        "1 job in the queue default: invalid: not valid JSON",
        "1 job in the schedule: shop.charge: order does not fit int",
        "1 job in the schedule: shop.charge: too many positional arguments",
        "1 job in the retry set: shop_app.Report: day does not fit date",
        "the queue broken cannot be read: WRONGTYPE",
    ):
        assert text in done.stdout
    assert (document["checked"], len(document["problems"])) == (8, 7)
    assert narrowed.exit_code == 0
    redis_client.delete("queue:broken")


def test_check_tells_at_most_so_many_kinds_of_problems(sidelong, seed, project):
    project("shop_app.py", APP)
    seed.queue("default", *[job("x", f"class-{number}") for number in range(700)])

    done = sidelong("check", "shop_app.py")

    assert len(done.stdout.splitlines()) == 501
    assert done.stdout.startswith("200 jobs in the queue default: other problems")


@pytest.mark.parametrize("words", [["jobs", "retry"], ["show", "a"], ["why", "a"], ["check", "shop_app.py"]])
def test_a_redis_that_is_gone_is_one_sentence(sidelong, project, words):
    project("shop_app.py", APP)

    done = sidelong(*words, "--redis", "redis://127.0.0.1:1/0")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("sidelong: no connection to Redis at redis://")
    assert done.stderr.count("\n") == 1
