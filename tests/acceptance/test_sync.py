"""Programs without an event loop enqueue: scripts, servers that fork, processes that are spawned."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import redis

from tests.support.processes import environment
from tests.support.proxy import Proxy
from tests.support.redis_server import Database

# Each program begins with this; `send` is its job, and its URL is the first argument.
PRELUDE = """
import os, signal, sys, threading

from sidelong import EnqueueUncertain, NotEnqueued, Sidelong

app = Sidelong(sys.argv[1])

@app.job(name="Send")
async def send(number): ...

"""


def run(tmp_path: Path, program: str, url: str) -> str:
    """Run a program in which every warning is an error, and return what it printed; it may complain of nothing."""
    path = tmp_path / "program.py"
    path.write_text(PRELUDE + textwrap.dedent(program))
    done = subprocess.run(
        [sys.executable, "-W", "error", path, url],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def numbers(client: redis.Redis) -> list[int]:
    """Return the argument of every job in the queue, sorted."""
    return sorted(json.loads(raw)["args"][0] for raw in client.lrange("queue:default", 0, -1))


def test_a_script_that_ends_at_once_has_stored_its_job_and_leaves_no_warning(tmp_path, redis_server, redis_client):
    run(tmp_path, "send.sync.enqueue(1)", redis_server.url)

    assert numbers(redis_client) == [1]


def test_a_script_on_the_embedded_store_has_one_store_for_both_ways(tmp_path):
    program = """
    import asyncio

    send.sync.enqueue(1)

    async def work():
        ran = threading.Event()
        app.job(name="Last")(ran.set)
        await app.enqueue("Last")
        async with app, app.worker(concurrency=1):
            await asyncio.to_thread(ran.wait, 10)
        print(ran.is_set())

    asyncio.run(work())
    """

    assert run(tmp_path, program, "memory://") == "True\n"


def test_a_handler_at_the_end_of_a_program_can_enqueue(tmp_path, redis_server, redis_client):
    program = """
    import atexit

    atexit.register(send.sync.enqueue, 1)
    atexit.register(send.sync.enqueue, 2)
    """

    run(tmp_path, program, redis_server.url)

    assert numbers(redis_client) == [1, 2]


def test_servers_that_fork_share_no_connection_with_their_parent(tmp_path, redis_server, redis_client):
    program = """
    def serve(first):
        threads = [threading.Thread(target=serve_some, args=(first + 25 * n,)) for n in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()

    def serve_some(first):
        for number in range(first, first + 25):
            send.sync.enqueue(number)

    # As a master that loads the application, uses it, and forks its workers while a thread goes on.
    send.sync.enqueue(0)
    beside = threading.Thread(target=serve, args=(1000,))
    beside.start()
    children = []
    for first in (2000, 3000, 4000):
        if child := os.fork():
            children.append(child)
        else:
            serve(first)
            sys.exit(0)
    serve(5000)
    beside.join()
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    send.sync.enqueue(1)
    """

    run(tmp_path, program, redis_server.url)

    expected = [0, 1] + [first + n for first in (1000, 2000, 3000, 4000, 5000) for n in range(100)]
    assert numbers(redis_client) == expected


def test_a_lock_that_was_held_at_the_fork_does_not_stop_the_child(tmp_path, redis_server, redis_client):
    program = """
    import asyncio

    reached, let_go, parent = threading.Event(), threading.Event(), os.getpid()

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self):
            # In the middle of making the background loop.
            if os.getpid() == parent:
                reached.set()
                let_go.wait()
            return super().new_event_loop()

    asyncio.set_event_loop_policy(Policy())
    pushing = threading.Thread(target=send.sync.enqueue, args=(1,), daemon=True)
    pushing.start()
    reached.wait()
    child = os.fork()
    if not child:
        signal.alarm(20)
        send.sync.enqueue(2)
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    let_go.set()
    pushing.join()
    """

    run(tmp_path, program, redis_server.url)

    assert numbers(redis_client) == [1, 2]


def test_a_signal_handler_enqueues_in_the_middle_of_enqueuing(tmp_path, redis_server, redis_client):
    program = """
    import asyncio

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self):
            asyncio.set_event_loop_policy(None)
            os.kill(os.getpid(), signal.SIGUSR1)
            return super().new_event_loop()

    asyncio.set_event_loop_policy(Policy())
    signal.signal(signal.SIGUSR1, lambda *_: send.sync.enqueue(1))
    signal.alarm(20)
    send.sync.enqueue(2)
    """

    run(tmp_path, program, redis_server.url)

    assert numbers(redis_client) == [1, 2]


def test_processes_that_are_spawned_enqueue(tmp_path, redis_server, redis_client):
    program = """
    import multiprocessing

    def enqueue(number):
        return send.sync.enqueue(number)

    if __name__ == "__main__":
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            assert None not in pool.map(enqueue, range(4))
            pool.close()
            pool.join()
    """

    run(tmp_path, program, redis_server.url)

    assert numbers(redis_client) == [0, 1, 2, 3]


def test_an_interrupted_wait_leaves_the_push_to_end_with_the_program_and_says_so(tmp_path, redis_server, redis_client):
    program = """
    import asyncio

    # A shell that runs these tests in the background has them ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

    @app.client_middleware
    async def interrupt(payload, call_next):
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.2)
        await call_next()

    try:
        send.sync.enqueue(1)
    except KeyboardInterrupt as error:
        print(*error.__notes__)
    """

    printed = run(tmp_path, program, redis_server.url)

    assert printed == "the push goes on without this thread: its jobs may or may not be stored\n"
    assert numbers(redis_client) == [1]


@pytest.mark.parametrize(("fault", "error"), [("refuse", "NotEnqueued"), ("blackhole", "EnqueueUncertain")])
def test_a_push_that_fails_ends_in_time_and_says_what_is_true(tmp_path, proxy: Proxy, fault: str, error: str):
    program = f"""
    app = Sidelong(sys.argv[1], connect_timeout=0.3, answer_timeout=0.3)
    app.sync.enqueue("Send", 1)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        app.sync.enqueue("Send", 2)
    except {error} as error:
        print(len(error.jids))
    """
    path = tmp_path / "program.py"
    path.write_text(PRELUDE + textwrap.dedent(program))
    with subprocess.Popen(
        [sys.executable, "-W", "error", path, proxy.url()],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        getattr(proxy, fault)()
        if fault == "refuse":
            proxy.close_all()
        output, _ = process.communicate("\n", timeout=30)

    assert (process.returncode, output) == (0, "1\n")


def test_threads_at_once_share_round_trips(tmp_path, redis_server: Database, redis_client):
    program = """
    def enqueue_some():
        for number in range(100):
            send.sync.enqueue(number)

    threads = [threading.Thread(target=enqueue_some) for _ in range(10)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    """
    redis_client.config_resetstat()

    run(tmp_path, program, redis_server.url)

    commands = redis_client.info("commandstats")
    assert len(numbers(redis_client)) == 1000
    assert commands["cmdstat_lpush"]["calls"] < 700
