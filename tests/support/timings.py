"""How fast the workers of a test look, beat and give up; a death is noticed within eight seconds."""

from typing import Any

TEST_TIMINGS: dict[str, Any] = {
    "beat_interval": 0.5,
    "lease_ttl": 2.0,
    "recovery_grace": 2.0,
    "recovery_interval": 0.5,
    "poll_interval": 1.0,
    "block_time": 1.0,
}
"""Fields of `Config`; what is not named keeps its default."""

RECOVERED_WITHIN = 8.0
"""Seconds from a death until its jobs run elsewhere, with these timings."""
