import socket

import pytest

from sidelong.cli.dev.ports import listen
from sidelong.errors import ConfigurationError


@pytest.fixture
def taken():
    """A port on which somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_that_is_usual_and_taken_gives_way_to_one_behind_it(taken):
    with listen("127.0.0.1", None, taken) as listener:
        assert taken < listener.getsockname()[1] < taken + 100


def test_a_port_that_was_asked_for_and_is_taken_is_refused(taken):
    with pytest.raises(ConfigurationError, match=rf"^cannot listen on 127.0.0.1:{taken}: Address already in use$"):
        listen("127.0.0.1", taken, 8000)


def test_a_port_is_taken_before_anything_is_served():
    with listen("127.0.0.1", 0, 8000) as listener:
        socket.create_connection(listener.getsockname()).close()

        with pytest.raises(ConfigurationError):
            listen("127.0.0.1", listener.getsockname()[1], 8000)


def test_an_address_that_is_not_of_this_machine_is_refused():
    with pytest.raises(ConfigurationError, match=r"cannot listen on 203\.0\.113\.1:8000"):
        listen("203.0.113.1", None, 8000)


def test_a_port_that_another_server_asks_for_is_left_to_it(taken):
    with listen("127.0.0.1", None, taken, spared=taken + 1) as listener:
        assert listener.getsockname()[1] > taken + 1
