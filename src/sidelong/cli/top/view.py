"""What of a snapshot is looked at, and what keys do to that."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from sidelong.cli.top.orders import Order, Verb
from sidelong.cli.top.snapshot import SECTIONS, SectionName, Snapshot

_PAGE: Final = 10
_ALL: Final = 10**9

_STEPS: Final = {
    "down": 1,
    "j": 1,
    "up": -1,
    "k": -1,
    "page_down": _PAGE,
    "page_up": -_PAGE,
    "end": _ALL,
    "home": -_ALL,
}
_VERBS: Final[dict[str, tuple[Verb, SectionName, str]]] = {
    "p": ("pause", "queues", "queue"),
    "t": ("quiet", "processes", "process"),
    "r": ("retry", "retries", "retry"),
    "c": ("cancel", "busy", "busy job"),
}


@dataclass
class View:
    """Where whoever looks has got to.

    Attributes:
        section: the chosen one.
        is_helping: whether the keys are explained.
        question: what waits for a yes.
        message: what became of the last key.
        is_over: whether it was told to end.
    """

    section: SectionName = "queues"
    is_helping: bool = False
    question: Order | None = None
    message: str = ""
    is_over: bool = False
    _places: dict[SectionName, int] = field(default_factory=dict)
    _keys: dict[SectionName, Hashable] = field(default_factory=dict)

    def place(self, name: SectionName) -> int:
        """Return the place of the chosen row of a section."""
        return self._places.get(name, 0)

    def heed(self, snapshot: Snapshot) -> None:
        """Stay with the chosen rows, wherever they are now; where one is gone, what is in its place is chosen."""
        for name in SECTIONS:
            keys = list(snapshot.listed(name).rows)
            chosen = self._keys.get(name)
            place = keys.index(chosen) if chosen in keys else self.place(name)
            self._choose(name, place, keys)

    def press(self, key: str, snapshot: Snapshot | None) -> Order | None:
        """Take a key, and return what is to be done, if anything is.

        Args:
            key: a character, or a name such as `up`.
            snapshot: what is seen; None before the first one.
        """
        self.message = ""
        if self.question is not None:
            order, self.question = self.question, None
            if key in ("y", "Y"):
                return order
            self.message = "nothing was changed"
        elif self.is_helping:
            self.is_helping = False
        elif key == "q":
            self.is_over = True
        elif key in ("?", "h"):
            self.is_helping = True
        elif key in ("tab", "backtab"):
            step = 1 if key == "tab" else -1
            self.section = SECTIONS[(SECTIONS.index(self.section) + step) % len(SECTIONS)]
        elif snapshot is not None and key in _STEPS:
            keys = list(snapshot.listed(self.section).rows)
            self._choose(self.section, self.place(self.section) + _STEPS[key], keys)
        elif snapshot is not None and key in _VERBS:
            return self._order(key, snapshot)
        return None

    def _order(self, key: str, snapshot: Snapshot) -> Order | None:
        verb, section, noun = _VERBS[key]
        if section != self.section:
            self.message = f"{key} is for a {noun}: Tab leads there"
            return None
        rows = snapshot.listed(section).rows
        if not rows:
            self.message = f"there is no {noun}"
            return None
        target = rows[self._keys[section]]
        if verb == "pause" and target.is_paused:
            verb = "unpause"
        order = Order(verb, target)
        if order.question is None:
            return order
        self.question = order
        return None

    def _choose(self, name: SectionName, place: int, keys: list[Hashable]) -> None:
        self._places[name] = max(0, min(place, len(keys) - 1))
        self._keys[name] = keys[self._places[name]] if keys else None
