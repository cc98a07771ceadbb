import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from tests.support.processes import ROOT, environment
from tests.support.redis_server import EXECUTABLE, SERVER, Database, RedisServer
from tests.support.server_required import require_server


def test_hands_out_an_empty_database_of_the_shared_server(redis_server: Database) -> None:
    with redis_server.client() as client:
        assert client.dbsize() == 0


@pytest.mark.allow_any_keys
def test_leftovers_of_one_test(redis_server: Database) -> None:
    with redis_server.client() as client:
        client.set("left over", 1)


def test_are_not_seen_by_the_next(redis_server: Database) -> None:
    with redis_server.client() as client:
        assert client.info("keyspace") == {}


def test_starts_fast(start_redis) -> None:
    began = time.monotonic()

    start_redis()

    assert time.monotonic() - began < 3


def test_comes_back_on_the_same_port_with_its_data(own_redis: RedisServer) -> None:
    port = own_redis.port
    with own_redis.client() as client:
        client.set("kept", 1)

    own_redis.restart()

    with own_redis.client() as client:
        assert client.get("kept") == b"1"
    assert own_redis.port == port


def test_comes_back_empty_if_told_to(own_redis: RedisServer) -> None:
    with own_redis.client() as client:
        client.set("lost", 1)

    own_redis.restart(keep_data=False)

    with own_redis.client() as client:
        assert client.get("lost") is None


def test_an_append_only_file_survives_a_kill(start_redis) -> None:
    server = start_redis(appendonly="always")
    with server.client() as client:
        client.set("kept", 1)

    server.restart(kill=True)

    with server.client() as client:
        assert client.get("kept") == b"1"


def test_without_persistence_a_kill_loses_everything(own_redis: RedisServer) -> None:
    with own_redis.client() as client:
        client.set("lost", 1)

    own_redis.restart(kill=True)

    with own_redis.client() as client:
        assert client.dbsize() == 0


def test_refuses_writes_at_maxmemory(start_redis) -> None:
    server = start_redis(maxmemory="1")

    with server.client() as client, pytest.raises(redis.exceptions.OutOfMemoryError):
        client.set("key", 1)


def test_a_paused_server_does_not_answer_until_it_is_resumed(own_redis: RedisServer) -> None:
    with redis.Redis(port=own_redis.port, socket_timeout=0.2, retry=None) as impatient:
        impatient.ping()
        own_redis.pause()
        with pytest.raises(redis.TimeoutError):
            impatient.ping()

        own_redis.resume()

        with own_redis.client() as client:
            assert client.ping()


def test_a_paused_server_can_be_stopped(own_redis: RedisServer) -> None:
    own_redis.pause()

    own_redis.stop()

    assert not own_redis.is_running


def test_leaves_no_directory_and_no_process() -> None:
    require_server()
    with RedisServer(config={"hz": 20}) as server:
        pid, directory = server.pid, server.directory
        assert directory.is_dir()

    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_another_program_can_stand_for_the_server(tmp_path: Path) -> None:
    require_server()
    program = tmp_path / "other-server"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\nexec {EXECUTABLE} "$@"\n')
    program.chmod(0o755)
    script = "from tests.support.redis_server import RedisServer\nwith RedisServer(): pass"

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment(**{SERVER: str(program)}), timeout=60, check=False
    )

    assert done.returncode == 0
    assert len((tmp_path / "told").read_text().splitlines()) == 1
