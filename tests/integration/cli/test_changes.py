import json

import pytest

from sidelong.store.queue_walk import QueueWalk
from sidelong.store.stored_queue import StoredQueue
from tests.integration.cli.conftest import job

RUBY = "web-1:11:0123456789ab"
OURS = "web-2:12:0123456789ab"

APP = """
from sidelong import Sidelong

app = Sidelong()


@app.client_middleware
async def guard(job, call_next):
    if job["class"] == "Broken":
        raise LookupError("no such customer")
    return None if job["class"] == "Stopped" else await call_next(job)


@app.death_handler
def died(job, error):
    print("died:", job["jid"])
"""


def jids(redis_client, key):
    """Return what is in a queue or a set, the first to run first."""
    if redis_client.type(key) == b"list":
        return [json.loads(raw)["jid"] for raw in reversed(redis_client.lrange(key, 0, -1))]
    return [json.loads(raw)["jid"] for raw in redis_client.zrange(key, 0, -1)]


def failed(jid, name="Charge", **fields):
    return job(jid, name, retry_count=2, error_class="KeyError", **fields)


def test_a_job_is_retried_wherever_it_is_by_its_id(sidelong, seed, redis_client):
    seed.set("retry", (9e9, failed("a")))
    seed.set("dead", (1.0, failed("b")))
    seed.set("schedule", (9e9, job("c")))

    done = sidelong("retry", "a", "b", "c", "--yes")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "a Charge is enqueued\nb Charge is enqueued\nc shop.charge is enqueued\n"
    assert jids(redis_client, "queue:default") == ["a", "b", "c"]
    assert [json.loads(raw).get("retry_count") for raw in redis_client.lrange("queue:default", 0, -1)] == [None, 1, 1]
    assert not redis_client.exists("retry", "dead", "schedule")


def test_a_job_is_killed_or_deleted_by_its_id(sidelong, seed, redis_client):
    seed.set("retry", (9e9, failed("a")), (9e9, failed("b")))
    seed.queue("mailers", job("c"), job("d"))

    killed, deleted = sidelong("kill", "a", "--yes"), sidelong("delete", "b", "d", "--yes")

    assert killed.stdout == "a Charge is killed\n"
    assert deleted.stdout == "b Charge is deleted\nd shop.charge is deleted\n"
    assert jids(redis_client, "dead") == ["a"]
    assert jids(redis_client, "queue:mailers") == ["c"]
    assert not redis_client.exists("retry")


def test_what_cannot_be_done_to_a_job_is_told_and_the_others_are_done(sidelong, seed, redis_client):
    seed.queue("mailers", job("waits"))
    seed.set("retry", (9e9, failed("a")))

    done = sidelong("retry", "waits", "nobody", "a", "--yes")

    assert done.exit_code == 1
    assert done.stdout == "a Charge is enqueued\n"
    assert "waits shop.charge cannot be enqueued: waits in the queue mailers" in done.stderr
    assert "there is no job 'nobody'" in done.stderr
    assert jids(redis_client, "queue:mailers") == ["waits"]


@pytest.mark.parametrize(
    ("words", "kept", "queued"),
    [
        (["retry", "--from", "retry", "--class", "Mail"], ["a", "c"], ["b"]),
        (["retry", "--from", "retry", "--all"], [], ["a", "b", "c"]),
        (["kill", "--from", "retry", "--tag", "vip"], ["a", "b"], []),
        (["delete", "--from", "retry", "--error", "KeyError", "--class", "Charge"], ["b"], []),
        (["delete", "--from", "retry", "--text", "nothing"], ["a", "b", "c"], []),
    ],
)
def test_all_that_match_are_changed_and_no_other(sidelong, seed, redis_client, words, kept, queued):
    seed.set("retry", (9e9, failed("a")), (9.1e9, failed("b", "Mail")), (9.2e9, failed("c", tags=["vip"])))

    dry = sidelong(*words, "--dry-run")
    untouched = jids(redis_client, "retry")
    done = sidelong(*words, "--yes")

    assert dry.exit_code == done.exit_code == 0
    assert untouched == ["a", "b", "c"]
    number = 3 - len(kept)
    assert dry.stdout.startswith(f"{number or 'no'} job")
    assert done.stdout.startswith(f"{number or 'no'} job")
    assert jids(redis_client, "retry") == kept
    assert jids(redis_client, "queue:default") == queued


def test_a_queue_is_emptied_or_thinned_out(sidelong, seed, redis_client):
    seed.queue("mailers", *[job(str(number), "Mail" if number % 2 else "Other") for number in range(120)])

    some = sidelong("delete", "--from", "mailers", "--class", "Mail", "--yes")
    left = redis_client.llen("queue:mailers")
    rest = sidelong("delete", "--from", "mailers", "--all", "--yes")

    assert (some.stdout, left, rest.stdout) == ("60 jobs deleted\n", 60, "60 jobs deleted\n")
    assert not redis_client.exists("queue:mailers")


def test_the_schedule_is_enqueued_at_once(sidelong, seed, redis_client):
    seed.set("schedule", (9e9, job("a")), (9e9 + 1, job("b")))

    done = sidelong("retry", "--from", "scheduled", "--all", "--yes")

    assert done.stdout == "2 jobs enqueued\n"
    assert jids(redis_client, "queue:default") == ["a", "b"]


def test_waiting_jobs_are_called_off_by_id_and_by_filter(sidelong, seed, redis_client):
    seed.queue("mailers", job("a"), job("b", "Mail"), job("c", "Mail"))
    seed.set("retry", (9e9, failed("d")))
    seed.set("dead", (1.0, failed("e")))

    by_id = sidelong("cancel", "a", "d", "e", "--yes")
    by_filter = sidelong("cancel", "--from", "mailers", "--class", "Mail", "--yes")
    nothing_runs = sidelong("cancel", "--from", "running", "--all", "--yes")

    assert by_id.exit_code == 1
    assert by_id.stdout == (
        "a shop.charge waited in queue:mailers, and is removed\nd Charge waited in retry, and is removed\n"
    )
    assert "e Charge cannot be cancelled: dead since" in by_id.stderr
    assert (by_filter.exit_code, by_filter.stdout) == (0, "2 jobs cancelled\n")
    assert (nothing_runs.exit_code, nothing_runs.stdout) == (0, "no jobs cancelled\n")
    assert not redis_client.exists("queue:mailers", "retry")
    assert jids(redis_client, "dead") == ["e"]


def test_a_job_is_called_off_in_the_place_that_is_named(sidelong, seed, redis_client):
    seed.queue("mailers", job("a"))
    seed.set("retry", (9e9, failed("a")))

    done = sidelong("cancel", "a", "--from", "mailers", "--yes")

    assert (done.exit_code, done.stdout) == (0, "a shop.charge waited in queue:mailers, and is removed\n")
    assert jids(redis_client, "retry") == ["a"]


def test_a_job_in_a_process_of_ruby_is_said_to_run_on(sidelong, seed):
    seed.process(RUBY)
    seed.work(RUBY, "t1", job("a"), run_at=1.0)
    runs_on = f"runs in {RUBY}, which cannot be told to cancel a job: it runs on"

    by_id = sidelong("cancel", "a", "--yes")
    by_filter = sidelong("cancel", "--from", "running", "--all", "--yes")

    assert (by_id.exit_code, by_id.stderr) == (1, f"sidelong: a shop.charge {runs_on}\n")
    assert (by_filter.exit_code, by_filter.stdout) == (1, "no jobs cancelled\n")
    assert by_filter.stderr == f"sidelong: 1 job kept: {runs_on}\n"


def test_what_redis_refuses_for_one_running_job_does_not_hold_up_the_others(sidelong, seed, redis_client):
    seed.process(RUBY)
    seed.work(RUBY, "t1", job("a"), run_at=1.0)
    seed.work(RUBY, "t2", job("b"), run_at=2.0)
    redis_client.set("sidelong:owners", "x")

    done = sidelong("cancel", "--from", "running", "--all", "--yes")

    assert (done.exit_code, done.stdout) == (1, "no jobs cancelled\n")
    assert "2 jobs kept: " in done.stderr
    assert "WRONGTYPE" in done.stderr
    redis_client.delete("sidelong:owners")


def test_a_job_that_no_heartbeat_has_told_of_is_among_those_that_run(sidelong, redis_client):
    taken_by(OURS, job("a"), redis_client)

    listed = sidelong("jobs", "running")
    done = sidelong("cancel", "--from", "running", "--all", "--yes")

    assert listed.stdout.splitlines()[1].split() == ["-", "a", "default", "shop.charge", OURS]
    assert done.exit_code == 1
    assert f"1 job kept: is with {OURS}, which does not answer" in done.stderr


def test_jobs_that_are_fetched_while_they_are_called_off_are_called_off_all_the_same(
    sidelong, seed, redis_client, monkeypatch
):
    seed.queue("default", job("a"), job("b"))
    sweep = StoredQueue.sweep

    async def fetched_before(queue, raws, walk):
        taken_by(OURS, job("a"), redis_client)
        redis_client.rpop("queue:default")
        return await sweep(queue, raws, walk)

    monkeypatch.setattr(StoredQueue, "sweep", fetched_before)
    done = sidelong("cancel", "--from", "default", "--class", "shop.charge", "--yes")

    assert (done.exit_code, done.stdout) == (1, "1 job cancelled\n")
    assert f"1 job kept: is with {OURS}, which does not answer" in done.stderr


def taken_by(identity, payload, redis_client):
    """Let a worker have fetched a job and sent no heartbeat since."""
    redis_client.sadd("sidelong:owners", identity)
    redis_client.sadd(f"sidelong:owner-queues:{identity}", payload["queue"])
    redis_client.lpush(f"sidelong:inflight:{identity}:{payload['queue']}", json.dumps(payload))


def test_many_ids_are_looked_for_in_one_walk(sidelong, seed, redis_client, monkeypatch):
    seed.queue("mailers", *[job(f"j{number}") for number in range(120)])
    ids = [f"j{number}" for number in range(0, 120, 6)]
    pages, page = [], QueueWalk.page

    async def noted(walk):
        pages.append(walk)
        return await page(walk)

    monkeypatch.setattr(QueueWalk, "page", noted)
    done = sidelong("delete", *ids, "--yes")

    assert (done.exit_code, done.stdout.splitlines()) == (0, [f"{jid} shop.charge is deleted" for jid in ids])
    assert len(pages) <= 4
    assert redis_client.llen("queue:mailers") == 100


def test_what_stays_where_it_was_is_told_with_the_reason(sidelong, seed, redis_client, project):
    project("shop_app.py", APP)
    entries = [failed("a", "Stopped"), failed("b", "Broken"), failed("c"), b"rubbish"]
    seed.set("retry", *[(9e9 + number, entry) for number, entry in enumerate(entries)])

    done = sidelong("retry", "--from", "retry", "--all", "--yes", "--app", "shop_app.py")
    one = sidelong("retry", "b", "--yes", "--app", "shop_app.py")

    assert done.exit_code == one.exit_code == 1
    assert done.stdout == "1 job enqueued\n"
    assert "1 job kept: stopped by a client middleware" in done.stderr
    assert "LookupError: no such customer" in done.stderr
    assert "b Broken is not enqueued: LookupError: no such customer" in one.stderr
    assert redis_client.zcard("retry") == 3


def test_death_handlers_of_the_app_are_called(sidelong, seed, project):
    project("shop_app.py", APP)
    seed.set("retry", (9e9, failed("a")), (9e9, failed("b")))

    done = sidelong("kill", "a", "--yes", "--app", "shop_app.py")
    done_to_all = sidelong("kill", "--from", "retry", "--all", "--yes", "--app", "shop_app.py")

    assert done.stdout == "died: a\na Charge is killed\n"
    assert done_to_all.stdout == "died: b\n1 job killed\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "give ids of jobs, or --from PLACE with what the jobs there must match"),
        (["--class", "Charge"], "give ids of jobs, or --from PLACE with what the jobs there must match"),
        (["--from", "retry"], "say which jobs are meant, by --class, --tag and so on, or by --all"),
        (
            ["--from", "retry", "--all", "--tag", "x"],
            "say which jobs are meant, by --class, --tag and so on, or by --all",
        ),
        (["a", "--all"], "give ids of jobs or say which are meant, not both"),
        (["a", "--class", "Charge"], "give ids of jobs or say which are meant, not both"),
        (
            ["--from", "mailers", "--all"],
            "retry works on the schedule, the retry set, the dead set; not on the queue mailers",
        ),
        (
            ["--from", "running", "--all"],
            "retry works on the schedule, the retry set, the dead set; not on running jobs",
        ),
    ],
)
def test_what_is_not_clear_is_misuse_and_changes_nothing(sidelong, seed, redis_client, words, sentence):
    seed.set("retry", (9e9, failed("a")))

    done = sidelong("retry", *words, "--yes")

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"sidelong: {sentence}\n"
    assert jids(redis_client, "retry") == ["a"]


@pytest.mark.parametrize("words", [["a"], ["--from", "retry", "--all"]])
def test_without_a_terminal_nothing_is_changed_unless_yes_is_said(sidelong, seed, redis_client, words):
    seed.set("retry", (9e9, failed("a")))

    done = sidelong("delete", *words)

    assert done.exit_code == 2
    assert done.stderr.endswith("sidelong: nobody is here to confirm it: write --yes\n")
    assert jids(redis_client, "retry") == ["a"]


@pytest.mark.parametrize("words", [["a"], ["--from", "retry", "--class", "Charge"]])
def test_a_dry_run_says_what_would_be_done_and_changes_nothing(sidelong, seed, redis_client, words):
    seed.set("retry", (9e9, failed("a")))

    done = sidelong("kill", *words, "--dry-run")

    assert (done.exit_code, done.stderr) == (0, "")
    assert "waits for another attempt" in done.stdout or done.stdout == (
        "1 job that matches in the retry set would be killed\n"
    )
    assert jids(redis_client, "retry") == ["a"]


def test_a_place_of_the_wrong_type_is_one_sentence(sidelong, redis_client):
    redis_client.set("retry", "x")

    done = sidelong("delete", "--from", "retry", "--class", "x", "--yes")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("sidelong: WRONGTYPE")
    assert done.stderr.count("\n") == 1
    redis_client.delete("retry")


@pytest.mark.parametrize("words", [["retry", "a"], ["delete", "--from", "dead", "--all"]])
def test_a_redis_that_is_gone_is_one_sentence(sidelong, words):
    done = sidelong(*words, "--yes", "--redis", "redis://127.0.0.1:1/0")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("sidelong: no connection to Redis at redis://")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("verb", ["pause", "unpause"])
def test_a_queue_without_a_name_cannot_be_paused(sidelong, redis_client, verb):
    done = sidelong(verb, "mailers", "")

    assert (done.exit_code, done.stdout, done.stderr) == (2, "", "sidelong: a queue cannot be called ''\n")
    assert redis_client.keys() == []
