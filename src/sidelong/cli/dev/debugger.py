"""Whether a debugger waits for a person: then nothing hangs, and nothing is to be cut off."""

import signal
import sys
from types import FrameType


def is_debugging() -> bool:
    """Tell whether pdb, or one that is made of it, waits for a command in any thread."""
    module = sys.modules.get("bdb")
    return module is not None and any(_is_within(frame, vars(module)) for frame in sys._current_frames().values())


def has_taken_signal(number: signal.Signals) -> bool:
    """Tell whether pdb has taken a signal over, as its command `continue` does with that of Ctrl-C."""
    module = sys.modules.get("bdb")
    owner = getattr(signal.getsignal(number), "__self__", None)
    return module is not None and isinstance(owner, module.Bdb)


def _is_within(frame: FrameType | None, names: dict[str, object]) -> bool:
    while frame is not None:
        if frame.f_globals is names:
            return True
        frame = frame.f_back
    return False
