import pytest

from sidelong.settings import log_surroundings


@pytest.mark.parametrize(
    ("environ", "colours"),
    [
        ({}, None),
        ({"NO_COLOR": ""}, None),
        ({"NO_COLOR": "1"}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, None),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        ({"TERM": "xterm"}, None),
    ],
)
def test_says_whether_there_are_colours(environ, colours):
    assert log_surroundings(environ).colours is colours


def test_says_what_the_platform_does_and_wants():
    usual, dyno = log_surroundings({}), log_surroundings({"DYNO": "worker.1", "DEBUG_INVOCATION": "1"})

    assert (usual.timestamps, usual.wants_debug) == (True, False)
    assert (dyno.timestamps, dyno.wants_debug) == (False, True)
