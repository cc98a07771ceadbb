import pytest

from tests.support.redis_server import EXECUTABLE
from tests.support.server_required import REQUIRED, require_server


def test_a_missing_server_skips_the_test_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.redis_server.EXECUTABLE", "no such server")
    monkeypatch.delenv(REQUIRED, raising=False)

    with pytest.raises(pytest.skip.Exception, match=f"{EXECUTABLE} is not on PATH"):
        require_server()


def test_a_missing_server_is_a_failure_where_servers_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.redis_server.EXECUTABLE", "no such server")
    monkeypatch.setenv(REQUIRED, "1")

    with pytest.raises(pytest.fail.Exception, match=f"{EXECUTABLE} is not on PATH"):
        require_server()
