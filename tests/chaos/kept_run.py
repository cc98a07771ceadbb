"""What a run has left in its directory, to be checked once more."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sidelong.core.config import Config
from tests.chaos import dump_file
from tests.chaos.checker import check
from tests.chaos.facts import Facts
from tests.chaos.plans import Plan
from tests.chaos.verdict import Verdict
from tests.support import ledger
from tests.support.ledger import Event
from tests.support.redis_state import State
from tests.support.timings import TEST_TIMINGS

PLAN = "plan.json"
"""The file in a run's directory that says what was run."""
DUMP = "dump.json"
"""The file that has what Redis held at the end."""
VERDICT = "verdict.json"
"""The file that says what came of a run."""


class UnreadableRunError(Exception):
    """A directory holds no run, or not all of it."""


@dataclass(frozen=True, slots=True)
class KeptRun:
    """One run that has come to its end.

    Attributes:
        directory: where it is kept.
        events: its ledger.
        dump: what Redis held at the end.
        facts: what the checker must know of its plan.
    """

    directory: Path
    events: list[Event]
    dump: State
    facts: Facts

    @classmethod
    def read(cls, directory: Path) -> "KeptRun":
        """Read what was kept.

        Raises:
            UnreadableRunError: the run is not there, or not whole.
        """
        if not (directory / PLAN).is_file():
            raise UnreadableRunError(f"{directory} holds no run: it has no {PLAN}")
        try:
            known = _facts(json.loads((directory / PLAN).read_text()))
            dump = dump_file.load(directory / DUMP)
            events = ledger.read(directory / "ledger")
        except OSError as error:
            raise UnreadableRunError(f"{directory} holds no whole run: {error.filename}: {error.strerror}") from None
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise UnreadableRunError(f"{directory} holds no run that can be read: {error}") from None
        if not events:
            raise UnreadableRunError(f"{directory} holds no whole run: its ledger is missing or empty")
        return cls(directory, events, dump, known)

    def check(self) -> Verdict:
        """Return what the checker says; the verdict that is kept is replaced where that can be written."""
        verdict = check(self.events, self.dump, self.facts)
        report = {"figures": verdict.figures, "violations": [asdict(each) for each in verdict.violations]}
        with suppress(OSError):
            (self.directory / VERDICT).write_text(json.dumps(report, indent=2) + "\n")
        return verdict


def _facts(plan: dict[str, object]) -> Facts:
    """Return what the checker must know of a plan, as it was kept."""
    kept = Plan(**{name: value for name, value in plan.items() if name not in ("seed", "broken")})  # type: ignore[arg-type]
    settings = Config(**{**(TEST_TIMINGS if kept.timings == "test" else {}), **kept.overrides})  # type: ignore[arg-type]
    return Facts(
        lease_ttl=settings.lease_ttl,
        recovery_grace=settings.recovery_grace,
        recovery_interval=settings.recovery_interval,
        concurrency=kept.concurrency,
        recovers_within=kept.recovers_within,
        kills_at_random=kept.kills,
    )
