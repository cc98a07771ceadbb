"""The code around a step, and a mark by which it is told from what becomes of it when somebody mends it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import CO_ASYNC_GENERATOR, CO_GENERATOR
from pathlib import PurePath
from types import CodeType, FrameType
from typing import Final

_GENERATES: Final = CO_GENERATOR | CO_ASYNC_GENERATOR
_ENTERS: Final = frozenset({"__enter__", "__aenter__"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The code that decides whether the body of a step asks.

    Attributes:
        codes: those that helped to enter the block, and last the function that it stands in.
        line: where it begins.
    """

    codes: tuple[CodeType, ...]
    line: int

    @classmethod
    def of(cls, maker: CodeType, frame: FrameType | None) -> "Surroundings":
        """Return the code around the block that a frame enters.

        Args:
            maker: the code that has made the block: a function of the user's own may do that.
            frame: the code that enters it. If that is a context manager itself, the body is that of its own block.
        """
        codes, line = [maker], maker.co_firstlineno
        while frame is not None:
            code = frame.f_code
            codes.append(code)
            line = frame.f_lineno
            if not _helps_to_enter(frame):
                break
            frame = frame.f_back
        return cls(tuple(codes), line)

    @property
    def place(self) -> str:
        """Where the block begins, for messages."""
        code = self.codes[-1]
        return f"{PurePath(code.co_filename).name}:{self.line} in {code.co_qualname}"

    def mark(self) -> str:
        """Return the mark of the code; it stays as long as no instruction and no name in it is changed."""
        digest = hashlib.sha256()
        for code in self.codes:
            for each in _with_nested(code):
                digest.update(each.co_code + repr(each.co_names).encode())
        return digest.hexdigest()[:12]


def _helps_to_enter(frame: FrameType) -> bool:
    code = frame.f_code
    is_of_library = frame.f_globals.get("__name__") == "contextlib"
    return is_of_library or bool(code.co_flags & _GENERATES) or code.co_name in _ENTERS


def _with_nested(code: CodeType) -> Iterator[CodeType]:
    # A function inside asks as well, and what it does is no part of the instructions around it.
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_nested(constant)
