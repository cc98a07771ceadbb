import contextlib
import sys
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

from sidelong.core.step_marks import Surroundings


def mark(source: str) -> str:
    code = compile(source, "jobs.py", "exec")
    return Surroundings((code,), 1).mark()


def test_code_has_a_mark_until_it_is_changed():
    first = mark("step.charge()")

    assert mark("\n\nstep.charge()") == first
    assert mark("step.done or step.charge()") != first
    assert mark("step.result()") != first


def test_a_function_inside_counts_as_well():
    source = "def outer():\n def inner():\n  {}step.charge()"

    assert mark(source.format("")) == mark("\n\n" + source.format(""))
    assert mark(source.format("")) != mark(source.format("step.done or "))


class Block:
    """Notes what is around it where it is entered."""

    def __init__(self) -> None:
        self._maker = sys._getframe(1).f_code

    def __enter__(self) -> Surroundings:
        return Surroundings.of(self._maker, sys._getframe().f_back)

    def __exit__(self, *_: object) -> None:
        pass


class Helper:
    def __enter__(self) -> Surroundings:
        return Block().__enter__()

    def __exit__(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def generating() -> Iterator[Surroundings]:
    with Block() as around:
        yield around


def entered_directly() -> Surroundings:
    with Block() as around:
        return around


def entered_through_a_class() -> Surroundings:
    with Helper() as around:
        return around


def entered_through_a_generator() -> Surroundings:
    with generating() as around:
        return around


def entered_through_a_stack() -> Surroundings:
    with contextlib.ExitStack() as stack:
        return stack.enter_context(generating())


def test_what_is_around_a_block_is_the_function_with_its_body():
    helpers: dict[Callable[[], Surroundings], list[Callable[..., Any]]] = {
        entered_directly: [],
        entered_through_a_class: [Helper.__enter__],
        entered_through_a_generator: [],
        entered_through_a_stack: [],
    }
    this = test_what_is_around_a_block_is_the_function_with_its_body.__code__

    for function, others in helpers.items():
        around = function()
        codes: set[CodeType] = {each.__code__ for each in (function, *others)}
        assert codes <= set(around.codes)
        assert this not in around.codes
        assert around.place.startswith("test_step_marks.py:")
        assert around.place.endswith(f" in {function.__name__}")
