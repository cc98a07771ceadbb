"""Which keys the bytes of a terminal stand for."""

import re
from typing import Final

_SEQUENCE: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[ -~]|[^\x1b\[O])")
_NAMES: Final = {
    "\t": "tab",
    "\x1b[Z": "backtab",
    "\x1b[A": "up",
    "\x1bOA": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "\x1b[5~": "page_up",
    "\x1b[6~": "page_down",
    "\x1b[H": "home",
    "\x1bOH": "home",
    "\x1b[1~": "home",
    "\x1b[F": "end",
    "\x1bOF": "end",
    "\x1b[4~": "end",
}


class Decoder:
    """Turns what is read into keys; what a key sends may come in parts.

    A sequence that is not known is one key, `unknown`: none of its letters may steer anything.
    """

    def __init__(self) -> None:
        self._rest = ""

    @property
    def is_waiting(self) -> bool:
        """Whether a sequence has begun and not ended."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[str]:
        """Return the keys that are complete now: characters, and names such as `up`."""
        text, self._rest = self._rest + data.decode("ascii", "replace"), ""
        keys: list[str] = []
        place = 0
        while place < len(text):
            if text[place] != "\x1b":
                keys.append(_NAMES.get(text[place], text[place]))
                place += 1
            elif sequence := _SEQUENCE.match(text, place):
                keys.append(_NAMES.get(sequence[0], "unknown"))
                place = sequence.end()
            else:
                self._rest = text[place:]
                break
        return keys

    def flush(self) -> list[str]:
        """Return what has begun as one key, when nothing more has come: Escape itself, or half a sequence."""
        keys = ["escape"] if self._rest else []
        self._rest = ""
        return keys
