"""Redis, and a sentinel, that speak nothing but TLS, with certificates that are good and bad."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sidelong import Sidelong
from sidelong.core.config import Config
from sidelong.errors import ConfigurationError, StoreError
from sidelong.store.link import Link
from sidelong.store.store import Store
from tests.support import jobs
from tests.support.certificates import Authority
from tests.support.eventually import eventually
from tests.support.ledger import Ledger
from tests.support.processes import WorkerOptions, WorkerProcess
from tests.support.redis_server import RedisServer, free_port
from tests.support.sentinel_trio import MASTER_NAME, SentinelServer
from tests.support.timings import TEST_TIMINGS

StartTls = Callable[..., tuple[RedisServer, int]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "other")


def directives(authority: Authority, certificate: tuple[Path, Path], clients: str = "no") -> dict[str, str | int]:
    """Return what makes a server speak TLS on one more port; the plain one is for the test's own clients."""
    return {
        "tls-port": free_port(),
        "tls-cert-file": str(certificate[0]),
        "tls-key-file": str(certificate[1]),
        "tls-ca-cert-file": str(authority.ca),
        "tls-auth-clients": clients,
    }


@pytest.fixture
def start_tls(start_redis: Callable[..., RedisServer], authority: Authority) -> StartTls:
    """Starts a server and returns it with its TLS port."""

    def start(certificate: tuple[Path, Path], clients: str = "no") -> tuple[RedisServer, int]:
        config = directives(authority, certificate, clients)
        return start_redis(config=config), int(config["tls-port"])

    return start


async def complaint(url: str, **settings: float) -> str:
    """Return what a worker would say of a Redis at its start."""
    with pytest.raises((ConfigurationError, StoreError)) as caught:
        await Store(Config(redis_url=url, **settings)).check()
    return str(caught.value)


def test_a_worker_works_over_mutual_tls(start_tls: StartTls, authority: Authority, ledger: Ledger) -> None:
    server, port = start_tls(authority.issue("localhost"), clients="yes")
    certificate, key = authority.issue("worker")
    url = f"rediss://localhost:{port}/0?ssl_ca_certs={authority.ca}&ssl_certfile={certificate}&ssl_keyfile={key}"

    async def enqueue() -> list[str]:
        async with Sidelong(url) as app:
            return [str(await app.enqueue("noop")) for _ in range(100)]

    with WorkerProcess(WorkerOptions(redis=url, ledger=ledger)) as worker, server.client() as client:
        jids = asyncio.run(enqueue())
        asyncio.run(eventually(lambda: set(jids) <= ledger.history().ends.keys(), 15))
        # The heartbeat's thread has a connection of its own.
        assert client.scard("processes") == 1
        assert worker.stop() == 0


async def test_a_certificate_that_is_not_trusted_is_told_with_what_to_do(
    start_tls: StartTls, authority: Authority, stranger: Authority
) -> None:
    _, port = start_tls(authority.issue("localhost"))

    unknown = await complaint(f"rediss://localhost:{port}/0")
    wrong = await complaint(f"rediss://localhost:{port}/0?ssl_ca_certs={stranger.ca}")
    name = await complaint(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority.ca}")

    assert "is not trusted" in unknown
    assert "ssl_ca_certs" in unknown
    assert "is not trusted" in wrong
    assert "is for another host" in name
    await Store(Config(redis_url=f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=none&ssl_check_hostname=false")).check()


async def test_an_expired_certificate_is_told(start_tls: StartTls, authority: Authority) -> None:
    _, port = start_tls(authority.issue("localhost", is_expired=True))

    assert "has expired; renew it" in await complaint(f"rediss://localhost:{port}/0?ssl_ca_certs={authority.ca}")


async def test_a_missing_or_foreign_client_certificate_is_told(
    start_tls: StartTls, authority: Authority, stranger: Authority
) -> None:
    _, port = start_tls(authority.issue("localhost"), clients="yes")
    url = f"rediss://localhost:{port}/0?ssl_ca_certs={authority.ca}"
    certificate, key = stranger.issue("worker")

    assert "asks for a client certificate" in await complaint(url)
    assert "does not trust the client certificate" in await complaint(
        f"{url}&ssl_certfile={certificate}&ssl_keyfile={key}"
    )


async def test_a_scheme_that_does_not_fit_the_port_is_told(start_tls: StartTls, authority: Authority) -> None:
    server, port = start_tls(authority.issue("localhost"))

    assert "use rediss://" in await complaint(f"redis://localhost:{port}/0")
    # It waits for more of what it takes for a command.
    assert "and it speaks TLS there" in await complaint(f"rediss://localhost:{server.port}/0", connect_timeout=0.5)


async def test_files_that_do_not_fit_are_told(authority: Authority, tmp_path: Path) -> None:
    certificate, _ = authority.issue("worker")
    _, other_key = authority.issue("other")
    (tmp_path / "empty.pem").touch()

    for options in (f"ssl_certfile={certificate}&ssl_keyfile={other_key}", f"ssl_ca_certs={tmp_path}/empty.pem"):
        assert "PEM files" in await complaint(f"rediss://localhost:1/0?{options}")
    assert "/no/such.pem" in await complaint("rediss://localhost:1/0?ssl_ca_certs=/no/such.pem")


async def test_a_renewed_certificate_of_the_client_is_read_without_a_restart(
    start_tls: StartTls, authority: Authority, stranger: Authority
) -> None:
    _, port = start_tls(authority.issue("localhost"), clients="yes")
    certificate, key = authority.issue("worker")
    url = f"rediss://localhost:{port}/0?ssl_ca_certs={authority.ca}&ssl_certfile={certificate}&ssl_keyfile={key}"
    good = certificate.read_bytes(), key.read_bytes()
    bad = stranger.issue("worker")
    for path, new in zip((certificate, key), bad, strict=True):
        os.replace(new, path)

    link = Store(Config(redis_url=url)).link("test")
    assert not await answers(link)
    certificate.write_bytes(good[0])
    key.write_bytes(good[1])
    await eventually(lambda: answers(link), 10)
    await link.close()


async def answers(link: Link) -> bool:
    try:
        return bool(await link.call("PING") == b"PONG")
    except StoreError:
        return False


@pytest.fixture
def sentinel_url(authority: Authority, start_redis: Callable[..., RedisServer]) -> Iterator[str]:
    """A master and one sentinel, both with a password and TLS; the sentinel gives the master's TLS port."""
    certificate = authority.issue("localhost", "127.0.0.1")
    config = directives(authority, certificate)
    start_redis(config={**config, "requirepass": "secret-1"})
    watch = {
        **directives(authority, certificate),
        f"sentinel auth-pass {MASTER_NAME}": "secret-1",
        "tls-replication": "yes",
    }
    with ExitStack() as stack:
        sentinel = SentinelServer(int(config["tls-port"]), quorum=1, password="secret-2", config=watch)
        stack.enter_context(sentinel)
        yield (
            f"redis+sentinel://:secret-1@127.0.0.1:{watch['tls-port']}/{MASTER_NAME}/0"
            f"?sentinel_password=secret-2&tls=true&ssl_ca_certs={authority.ca}"
        )


async def test_a_renewed_authority_of_the_sentinels_is_read_without_a_restart(
    sentinel_url: str, authority: Authority, stranger: Authority, tmp_path: Path
) -> None:
    renewed = tmp_path / "renewed.pem"
    renewed.write_bytes(stranger.ca.read_bytes())
    link = Store(Config(redis_url=sentinel_url.replace(str(authority.ca), str(renewed)))).link("test")

    with pytest.raises(StoreError, match="is not trusted"):
        await link.call("PING")
    renewed.write_bytes(authority.ca.read_bytes())
    await eventually(lambda: answers(link), 10)
    await link.close()


async def test_sentinels_and_their_master_may_both_want_tls_and_passwords(sentinel_url: str, ledger: Ledger) -> None:
    app = jobs.build_app(sentinel_url, ledger, **TEST_TIMINGS)

    async with app, app.worker():
        jid = str(await app.enqueue("noop"))
        await eventually(lambda: jid in ledger.history().ends, 15)

    assert "secret" not in app.store.address


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("sentinel_password=secret-2&", "", "give sentinel_password"),
        ("sentinel_password=secret-2", "sentinel_password=wrong", "correct sentinel_username and sentinel_password"),
        (":secret-1@", "", "it asks for a password"),
        (":secret-1@", ":wrong@", "correct user and password"),
        (f"/{MASTER_NAME}/", "/another/", "knows no master named another"),
        ("&tls=true&", "&tls=true&sentinel_tls=false&", "if it expects TLS, add tls=true"),
    ],
)
async def test_what_is_wrong_with_a_sentinel_url_is_told(sentinel_url: str, old: str, new: str, told: str) -> None:
    assert old in sentinel_url

    said = await complaint(sentinel_url.replace(old, new))

    assert told in said
    assert "secret-" not in said
    assert "wrong" not in said
