"""When the jobs of `schedule` are due."""

import time

from program import Settings

SCHEDULED_IN = 3.0
"""Seconds from storing the first job to the instant that all are due."""
_STORED_WITHIN = 0.004
"""Seconds for each job that is stored by itself: the slowest need two of them with their worker beside."""


def due_when_stored(settings: Settings) -> float:
    """Return an instant, in epoch seconds, by which a library that stores one by one has stored all jobs."""
    return time.time() + SCHEDULED_IN + settings["jobs"] * _STORED_WITHIN
