"""Ways to break a process from outside: the product knows nothing of them."""

from collections.abc import Callable
from typing import Any

from sidelong.store import scripts
from tests.support.failpoints import resolve


def replace(target: str, replacement: Any) -> None:
    """Put something else in the place of a function or method.

    Args:
        target: `module:function` or `module:Class.method`.

    Raises:
        LookupError: it is not there.
    """
    owner, name = resolve(target)
    setattr(owner, name, replacement)


def wrap(target: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Put what `around` makes of a function or method in its place.

    Raises:
        LookupError: it is not there.
    """
    owner, name = resolve(target)
    setattr(owner, name, around(getattr(owner, name)))


def rewrite(script: str, old: str, new: str) -> None:
    """Let a Lua script read otherwise from now on; those that are loaded already stay as they are.

    Raises:
        LookupError: it does not have the old text exactly once.
    """
    if scripts._read(script).count(old) != 1:
        raise LookupError(f"{script}.lua does not have this text once:\n{old}")

    def around(read: Callable[[str], str]) -> Callable[[str], str]:
        return lambda name: read(name).replace(old, new) if name == script else read(name)

    wrap("sidelong.store.scripts:_read", around)
