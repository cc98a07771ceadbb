import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidelong.core.redaction import redacted


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://user:secret@host:6379/0", "redis://***@host:6379/0"),
        ("redis://:secret@host", "redis://***@host"),
        ("redis://user:sec@ret@host/1", "redis://***@host/1"),
        ("redis://user:sec/ret@host/1", "redis://***@host/1"),
        ("redis://user:sec?ret@host/1", "redis://***"),
        ("unix:///run/redis.sock?db=2&password=secret", "unix:///run/redis.sock?db=2&password=***"),
        ("unix:///run/redis.sock?password=sec@ret", "unix://***"),
        (
            "rediss://host?ssl_ca_certs=/ca.pem&ssl_password=secret",
            "rediss://host?ssl_ca_certs=/ca.pem&ssl_password=***",
        ),
        ("redis://host?pass%77ord=secret&secret", "redis://host?pass%77ord=***&***"),
        (
            "redis+sentinel://user:secret@h1:1,h2:2/main/0?sentinel_password=secret&tls=true",
            "redis+sentinel://***@h1:1,h2:2/main/0?sentinel_password=***&tls=true",
        ),
        ("memory://shop", "memory://shop"),
        ("secret", "***"),
        ("user:secret@host", "***"),
        ("", "***"),
    ],
)
def test_hides_what_may_be_a_secret_and_shows_the_rest(url: str, shown: str):
    assert redacted(url) == shown


@given(st.text(alphabet="abc/@:?&#=%,[]", max_size=8), st.text(alphabet="abc/@:?&#=%,[]", max_size=8))
def test_never_shows_a_password_however_badly_it_is_written(before: str, after: str):
    shown = redacted(f"redis://user:{before}SECRET{after}@host:6379/0")

    assert "SECRET" not in shown
