import gc
from collections.abc import Iterator

import pytest

from sidelong.cli.garbage import spare_the_collector


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.unfreeze()
    gc.enable()
    gc.set_threshold(*before)


def test_what_is_loaded_is_out_of_sight() -> None:
    spare_the_collector()

    assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == (5000, 10, 10)


def test_garbage_that_comes_later_is_still_found() -> None:
    spare_the_collector()
    found = []

    class Cycle:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            found.append(self)

    for _ in range(6000):
        Cycle()

    assert found


@pytest.mark.parametrize("wish", [(0, 10, 10), (1000, 10, 10)])
def test_what_the_application_has_set_stays(wish: tuple[int, int, int]) -> None:
    gc.set_threshold(*wish)

    spare_the_collector()

    assert gc.get_threshold() == wish


def test_a_collector_that_is_off_stays_off() -> None:
    gc.disable()

    spare_the_collector()

    assert not gc.isenabled()
    assert gc.get_threshold() == (700, 10, 10)
