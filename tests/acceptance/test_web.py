import base64
import os
import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest

from tests.support.eventually import eventually_sync

USER = {"SIDELONG_WEB_USERNAME": "ada", "SIDELONG_WEB_PASSWORD": "secret"}


@pytest.fixture
def start(redis_server, tmp_path):
    """Starts `sidelong web`, and returns its process and where its log goes."""
    started = []

    def run(*words, **environment):
        log = tmp_path / f"{len(started)}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "sidelong", "web", *words],
                env={**os.environ, "REDIS_URL": redis_server.url, **environment},
                cwd=tmp_path,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        started.append(process)
        return process, log

    yield run
    for process in started:
        process.kill()
        process.wait()


def address(process, log):
    """Return where it listens, once it does."""
    eventually_sync(lambda: process.poll() is not None or "http://" in log.read_text(), within=60)
    assert process.poll() is None, log.read_text()
    url = re.search(r"http://\S+", log.read_text())[0]
    eventually_sync(lambda: answers(url), within=30)
    return url


def answers(url):
    try:
        httpx.get(url, timeout=10)
    except httpx.TransportError:
        return False
    return True


def test_it_serves_this_machine_and_ends_with_a_signal(start, redis_client):
    redis_client.sadd("queues", "mailers")
    process, log = start("--port", "0")
    url = address(process, log)

    page = httpx.get(f"{url}/queues")
    other_name = httpx.get(f"{url}/queues", headers={"Host": "evil.example"})
    process.send_signal(signal.SIGTERM)

    assert url.startswith("http://127.0.0.1:")
    assert (page.status_code, "mailers" in page.text, other_name.status_code) == (200, True, 400)
    assert "server" not in page.headers
    assert process.wait(timeout=30) == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.org"])
def test_it_refuses_an_address_that_others_can_reach_without_credentials(host, start):
    process, log = start("--host", host, "--port", "0")

    assert process.wait(timeout=60) == 2
    assert "SIDELONG_WEB_USERNAME" in log.read_text()


def test_with_credentials_it_serves_others_too(start):
    process, log = start("--host", "0.0.0.0", "--port", "0", **USER)
    url = address(process, log).replace("0.0.0.0", "127.0.0.1")
    proof = {"Authorization": "Basic " + base64.b64encode(b"ada:secret").decode()}

    assert httpx.get(url).status_code == 401
    assert httpx.get(url, headers={**proof, "Host": "jobs.example.org"}).status_code == 200


def test_programs_prometheus_and_autoscalers_are_answered_with_the_same_credentials(start, redis_client):
    redis_client.sadd("queues", "mailers")
    process, log = start("--port", "0", "--exporter", **USER)
    url = address(process, log)
    proof = {"Authorization": "Basic " + base64.b64encode(b"ada:secret").decode()}

    for path, answer in (("/api/queues", "mailers"), ("/prometheus", "sidelong_redis_up 1.0"), ("/scale", '"queued"')):
        assert httpx.get(url + path).status_code == 401
        assert answer in httpx.get(url + path, headers=proof).text
    paused = httpx.post(f"{url}/api/queues/mailers/pause", headers=proof)

    assert paused.json() == {"changed": True}
    assert redis_client.smembers("paused") == {b"mailers"}
    redis_client.delete("paused")


def test_everybody_is_let_in_only_if_that_is_said(start):
    process, log = start("--host", "0.0.0.0", "--port", "0", "--insecure-no-auth")

    assert httpx.get(address(process, log).replace("0.0.0.0", "127.0.0.1")).status_code == 200


def test_half_a_credential_is_a_mistake(start):
    process, log = start("--port", "0", SIDELONG_WEB_USERNAME="ada")

    assert process.wait(timeout=60) == 2
    assert "SIDELONG_WEB_PASSWORD" in log.read_text()


def test_a_port_that_is_taken_is_told_in_one_sentence(start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process, log = start("--port", str(taken.getsockname()[1]))

        assert process.wait(timeout=60) == 1
    assert "cannot listen on 127.0.0.1" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_a_browser_that_listens_does_not_hold_up_the_end(start):
    process, log = start("--port", "0")
    url = address(process, log)

    with httpx.stream("GET", f"{url}/figures/stream", timeout=30) as events:
        for line in events.iter_lines():
            if line.startswith("data:"):
                break
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)

        assert process.wait(timeout=30) == 0
        assert time.monotonic() - begun < 15
