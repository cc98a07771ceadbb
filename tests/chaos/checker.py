"""Says of a run whether the promises held: a pure function of its ledger, the final dump and the plan."""

from collections.abc import Sequence

from tests.chaos.checks.bounds import check_ends, check_use
from tests.chaos.checks.counters import check_counters
from tests.chaos.checks.duplicates import check_attempts, check_duplicates
from tests.chaos.checks.effects import check_effects
from tests.chaos.checks.leftovers import check_leftovers
from tests.chaos.checks.poison import check_poison
from tests.chaos.checks.progress import check_full_memory, check_settling
from tests.chaos.checks.recovery import (
    check_new_lives,
    check_patience,
    check_recovery,
    check_resumption,
    check_wrongful_recovery,
)
from tests.chaos.checks.rest import check_loss, check_malformed, check_places, check_rest
from tests.chaos.checks.steering import check_calls_off, check_pauses
from tests.chaos.checks.steps import check_steps
from tests.chaos.facts import Facts
from tests.chaos.seen import look
from tests.chaos.verdict import NEMESIS, Verdict, Violation
from tests.support.ledger import Event
from tests.support.redis_state import State

__all__ = ["Facts", "Verdict", "Violation", "check"]

# The counters ask whether the run came to rest: `check_rest` comes first.
_CHECKS = (
    check_rest,
    check_loss,
    check_malformed,
    check_places,
    check_duplicates,
    check_attempts,
    check_effects,
    check_counters,
    check_recovery,
    check_wrongful_recovery,
    check_patience,
    check_new_lives,
    check_resumption,
    check_full_memory,
    check_settling,
    check_poison,
    check_calls_off,
    check_pauses,
    check_steps,
    check_leftovers,
    check_ends,
    check_use,
)


def check(events: Sequence[Event], dump: State, facts: Facts) -> Verdict:
    """Judge a run that has ended.

    Args:
        events: what all its processes told the ledger.
        dump: all that Redis held when every worker had left.
        facts: what the plan says.
    """
    seen = look(events, dump, facts)
    verdict = Verdict()
    for judge in _CHECKS:
        judge(seen, verdict)
    verdict.figures |= {f"{NEMESIS}{name}": count for name, count in sorted(seen.nemeses.items())}
    return verdict
