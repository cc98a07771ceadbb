"""Workers that are broken on purpose, each in one way, so that the checker can be seen to find it."""

from collections.abc import Callable, Mapping

from tests.chaos.broken.fetching import block_for_ever, look_for_nothing_lost
from tests.chaos.broken.recovering import blame_everyone, recover_at_first_sight
from tests.chaos.broken.sending import send_again
from tests.chaos.broken.settling import remove_before_inserting, repeat_batches, settle_in_transactions
from tests.chaos.broken.steering import hand_back_what_was_called_off, ignore_pauses
from tests.chaos.broken.stepping import remember_for_oneself

BREAKAGES: Mapping[str, Callable[[], None]] = {
    "redis-py-retries": send_again,
    "settles-in-multi": settle_in_transactions,
    "removes-before-inserting": remove_before_inserting,
    "no-audit": look_for_nothing_lost,
    "blocks-for-ever": block_for_ever,
    "recovers-at-first-sight": recover_at_first_sight,
    "blames-everyone": blame_everyone,
    "repeats-batches": repeat_batches,
    "hands-back-what-was-called-off": hand_back_what_was_called_off,
    "ignores-pauses": ignore_pauses,
    "forgets-steps": remember_for_oneself,
}


def break_by(name: str) -> None:
    """Break this process; an empty name leaves it whole.

    Raises:
        LookupError: there is no such breakage.
    """
    if name:
        BREAKAGES[name]()
