import pytest
from redis.asyncio.connection import Connection, SSLConnection

from sidelong.errors import ConfigurationError
from sidelong.store.sentinel_url import read_sentinel_url


@pytest.mark.parametrize(
    ("hosts", "read"),
    [
        ("a", [("a", 26379)]),
        ("a:1,b,10.0.0.1:3", [("a", 1), ("b", 26379), ("10.0.0.1", 3)]),
        ("[::1]:1,[fe80::2]", [("::1", 1), ("fe80::2", 26379)]),
    ],
)
def test_reads_several_hosts(hosts: str, read: list[tuple[str, int]]):
    group, _ = read_sentinel_url(f"redis+sentinel://{hosts}/main")

    assert list(group.hosts) == read


def test_reads_master_database_and_both_logins():
    group, options = read_sentinel_url(
        "redis+sentinel://us%40er:p%2F%3A%40%23w@a/ma%20in/3?sentinel_username=se%20en&sentinel_password=a%26b"
    )

    assert group.service == "ma in"
    assert group.options == {"username": "se en", "password": "a&b"}
    assert options == {"username": "us@er", "password": "p/:@#w", "db": 3}


def test_gives_the_sentinels_no_login_that_is_not_theirs():
    group, options = read_sentinel_url("redis+sentinel://:secret@a/main")

    assert group.options == {}
    assert options == {"password": "secret", "db": 0}


def test_encrypts_both_unless_something_else_is_said_of_the_sentinels():
    both, options = read_sentinel_url(
        "redis+sentinel://a/main?tls=true&ssl_ca_certs=/ca.pem&ssl_check_hostname=false&sentinel_ssl_ca_certs=/other.pem"
    )
    plain, _ = read_sentinel_url("redis+sentinel://a/main?tls=yes&sentinel_tls=no&ssl_ca_certs=/ca.pem")
    only, plain_options = read_sentinel_url("redis+sentinel://a/main?sentinel_tls=1&sentinel_ssl_ca_certs=/ca.pem")

    assert options["connection_class"] is SSLConnection
    assert (options["ssl_ca_certs"], options["ssl_check_hostname"]) == ("/ca.pem", False)
    assert both.options["connection_class"] is SSLConnection
    assert (both.options["ssl_ca_certs"], both.options["ssl_check_hostname"]) == ("/other.pem", False)
    assert plain.options.get("connection_class", Connection) is Connection
    assert "ssl_ca_certs" not in plain.options
    assert only.options["ssl_ca_certs"] == "/ca.pem"
    assert plain_options == {"db": 0}


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ("a", "the name of the master is missing"),
        ("a/", "the name of the master is missing"),
        ("/main", "each host"),
        ("a,,b/main", "each host"),
        ("a:/main", "each host"),
        ("a:0/main", "each host"),
        ("a:99999/main", "each host"),
        ("a:port/main", "each host"),
        ("[::1/main", "each host"),
        ("[::1]x/main", "each host"),
        ("::1/main", "each host"),
        ("a/main/zero", "the database must be a number"),
        ("a/main/0/1", "the database must be a number"),
        ("a/main?tls=perhaps", "tls must be true or false"),
        ("a/main?ssl_ca_certs=/ca.pem", "need tls=true"),
        ("a/main?tls=1&ssl_check_hostname=maybe&ssl_min_version=one", "TLS"),
        ("a/main?password=SECRET", "an option that there is not"),
        ("a/main?SECRET", "an option that there is not"),
        ("user:SECRET/1@a/main", "%2F"),
        ("user:12/SECRET@a", "%2F"),
        ("user:SEC?RET@a/main", "%2F"),
        ("user:SEC#RET@a/main", "%2F"),
        (":SEC[RET@a/main", "user, password"),
    ],
)
def test_refuses_what_it_cannot_read_in_one_sentence_that_quotes_no_secret(rest: str, reason: str):
    with pytest.raises(ConfigurationError) as caught:
        read_sentinel_url(f"redis+sentinel://{rest}")

    assert reason in str(caught.value)
    assert "SEC" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_shows_no_password_in_its_repr():
    group, _ = read_sentinel_url("redis+sentinel://a/main?sentinel_password=SECRET")

    assert "SECRET" not in repr(group)
