"""Workers that do not do as they are told."""

from typing import Any

from sidelong.core.outcome import Cancelled
from sidelong.store import queues
from tests.chaos.broken.patches import replace


def hand_back_what_was_called_off() -> None:
    """Put a job that was called off back onto its queue, as at a stop."""
    queues._OPERATIONS[Cancelled] = "back"


def ignore_pauses() -> None:
    """Read which queues are paused, and fetch from them all the same."""

    def learn(pauses: Any, question: tuple[int, float], paused: object) -> None:
        pauses._known_at = question[1]

    replace("sidelong.worker.pauses:Pauses.learn", learn)
