from dataclasses import dataclass

import pytest
import redis

from tests.support.keys import leaks, undeclared
from tests.support.redis_state import dump
from tests.support.server_required import require_server

pytest_plugins = ["pytester"]


@dataclass(frozen=True)
class Row:
    pattern: str
    type: str
    ttl: float | None = None


ROWS = [Row(r"queue:.+", "list"), Row(r"lease:\w+", "string", 20), Row(r"lease:old", "string")]

pytestmark = pytest.mark.allow_any_keys


def test_declared_keys_are_no_leaks(redis_client: redis.Redis) -> None:
    redis_client.rpush("queue:a\nb", "job")
    redis_client.set("lease:new", 1, ex=20)
    redis_client.set("lease:old", 1)

    assert leaks(redis_client, ROWS) == []
    assert undeclared(dump(redis_client), ROWS) == []


@pytest.mark.parametrize(
    ("key", "expires_in", "complaint"),
    [
        ("another", None, "'another': is a string that the catalogue does not know"),
        ("my queue:a", None, "'my queue:a': is a string that the catalogue does not know"),
        ("queue:a", None, "'queue:a': is a string, declared as a list"),
        ("lease:a", None, "'lease:a': never expires, declared to do so within 20 s"),
        ("lease:a", 100, "declared 20 s"),
    ],
)
def test_says_what_is_wrong_with_a_key(
    redis_client: redis.Redis, key: str, expires_in: int | None, complaint: str
) -> None:
    redis_client.set(key, 1, ex=expires_in)

    found = leaks(redis_client, ROWS)

    assert len(found) == 1
    assert complaint in found[0]
    assert complaint in "".join(undeclared(dump(redis_client), ROWS))


def test_a_test_that_leaks_fails(pytester: pytest.Pytester) -> None:
    require_server()
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function")
    pytester.makeconftest("from tests.conftest import *")
    pytester.makepyfile(
        """
        import pytest

        def test_leaks(redis_client):
            redis_client.set("leaked", 1)

        @pytest.mark.allow_any_keys
        def test_is_allowed_to(redis_client):
            redis_client.set("leaked", 1)

        def test_leaves_what_is_declared(redis_client):
            redis_client.rpush("queue:default", "job")

        def test_fails_and_leaks(redis_client):
            redis_client.set("leaked", 1)
            assert False
        """
    )

    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")

    result.assert_outcomes(passed=3, errors=1, failed=1)
    result.stdout.fnmatch_lines(["*'leaked': is a string that the catalogue does not know*"])
