import pytest

from sidelong.core.counted import counted


@pytest.mark.parametrize(("number", "words"), [(0, "no jobs"), (1, "1 job"), (2, "2 jobs")])
def test_a_noun_follows_its_number(number, words):
    assert counted(number, "job") == words
