"""Steps that are not remembered for everybody."""

import os
from collections.abc import Callable

from tests.chaos.broken.patches import wrap


def remember_for_oneself() -> None:
    """Remember finished steps for each process, and not for each job."""

    def around(key: Callable[[str], str]) -> Callable[[str], str]:
        return lambda jid: key(f"{jid}:{os.getpid()}")

    wrap("sidelong.store.keys:steps", around)
