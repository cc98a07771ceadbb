import pytest

from sidelong.core.address import parse_address
from sidelong.core.config import Config
from sidelong.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("localhost:1", ("localhost", 1)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_reads_host_and_port(text, parsed):
    assert parse_address(text, called="health") == parsed


@pytest.mark.parametrize(
    "text", ["", "8080", ":8080", "host:", "host:0", "host:65536", "host:x", "::1:80", "host:²", "h:99999999"]
)
def test_refuses_everything_else(text):
    with pytest.raises(ConfigurationError, match="health must be HOST:PORT"):
        parse_address(text, called="health")


def test_the_setting_may_be_empty_and_is_checked():
    assert Config().health == ""
    with pytest.raises(ConfigurationError, match="health must be HOST:PORT"):
        Config(health="nowhere")
