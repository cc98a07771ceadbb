import pytest

from sidelong import Sidelong


@pytest.fixture
def app() -> Sidelong:
    # What is not taken by a block ends as `NotEnqueued`.
    return Sidelong("redis://127.0.0.1:1/0", connect_timeout=0.5)
