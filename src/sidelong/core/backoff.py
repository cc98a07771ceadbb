"""How long to wait before the next attempt: Sidekiq's curve, so that both languages retry alike."""

from random import Random

_MAX_COUNT = 236  # waits a century; a larger number can only come from a damaged payload, and no date could show it


def retry_delay(count: int, random: Random) -> float:
    """Return the seconds to wait after a failure: 15 and a few at first, some 20 days in all for 25 attempts.

    Args:
        count: `retry_count` of the payload; 0 after the first failure.
        random: source of the jitter.
    """
    return float(_bounded(count) ** 4 + 15 + jitter(count, random))


def jitter(count: int, random: Random) -> int:
    """Return the seconds that keep jobs which failed together from coming back together.

    It grows with `count` and is added to delays that a job chose itself, too (Sidekiq ≥ 8.0).

    Args:
        count: `retry_count` of the payload; 0 after the first failure.
        random: where the number comes from.
    """
    return random.randrange(10 * (_bounded(count) + 1))


def _bounded(count: int) -> int:
    return min(max(count, 0), _MAX_COUNT)
