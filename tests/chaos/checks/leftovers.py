"""I5: what is left in Redis is declared, and nobody who has left is still in its lists."""

from tests.chaos.seen import Seen
from tests.chaos.spans import nanoseconds
from tests.chaos.verdict import Verdict
from tests.support.keys import catalogue, undeclared
from tests.support.redis_state import without

OWN = "chaos:"
"""Keys of the chaos program begin so."""
_OWNERS = "sidelong:owners"
_LEASE = "sidelong:lease:"


def check_leftovers(seen: Seen, verdict: Verdict) -> None:
    """Look through the keys of the final dump."""
    for complaint in undeclared(without(seen.dump, OWN), catalogue()):
        verdict.violate("I5", f"key left: {complaint}")
    entry = seen.dump.get(_OWNERS)
    for member in sorted(entry.value) if entry is not None and entry.type == "set" else ():
        who = member.decode("utf-8", "replace")
        if not _died_late(seen, who):
            verdict.violate("I5", f"{who} is still an owner of in-flight lists")
    for key in seen.dump:
        process = seen.processes.get(seen.owners.get(key.removeprefix(_LEASE), 0))
        if key.startswith(_LEASE) and process is not None and process.exited is not None and process.status == 0:
            verdict.violate("I5", f"the lease of {process.pid} is there although it left in order")


def _died_late(seen: Seen, who: str) -> bool:
    """Tell whether its process was killed so late that the others stopped before they could see it."""
    process = seen.processes.get(seen.owners.get(who, 0))
    if process is None or process.killed is None:
        return False
    facts = seen.facts
    noticed = nanoseconds(facts.lease_ttl + facts.recovery_grace + 3 * facts.recovery_interval)
    stops = [other.stopping for other in seen.processes.values() if other.stopping is not None]
    return process.killed + noticed > max(stops, default=seen.ended)
