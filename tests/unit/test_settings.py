import pytest

from sidelong.errors import ConfigurationError
from sidelong.settings import host, redis_url


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "redis://localhost:6379/0"),
        ({"REDIS_URL": "redis://a"}, "redis://a"),
        ({"REDIS_URL": ""}, "redis://localhost:6379/0"),
        ({"REDIS_URL": "redis://a", "REDIS_PROVIDER": "CLOUD", "CLOUD": "redis://b"}, "redis://b"),
        ({"SIDELONG_REDIS_URL": "redis://c", "REDIS_PROVIDER": "x:y", "REDIS_URL": "redis://a"}, "redis://c"),
    ],
)
def test_the_most_particular_variable_decides(environ, expected):
    assert redis_url(environ) == expected


def test_refuses_a_url_where_the_name_of_a_variable_belongs():
    with pytest.raises(ConfigurationError, match="must be the name of the variable") as caught:
        redis_url({"REDIS_PROVIDER": "redis://:secret@host"})

    assert "secret" not in str(caught.value)


def test_refuses_a_provider_that_is_not_set():
    with pytest.raises(ConfigurationError, match="names the variable CLOUD, which is not set"):
        redis_url({"REDIS_PROVIDER": "CLOUD"})


def test_the_platform_may_name_the_host():
    assert host({"DYNO": "worker.1"}) == "worker.1"
    assert host({}) is None
