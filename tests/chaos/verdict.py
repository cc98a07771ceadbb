"""What the checker says of a run."""

from collections.abc import Iterator
from dataclasses import dataclass, field

Figure = int | float | str

NEMESIS = "nemesis "
"""What the figure of a nemesis begins with; its name follows."""
_TOLD_OTHERWISE = (f"{NEMESIS}kill", f"{NEMESIS}cut", f"{NEMESIS}malformed")


@dataclass(frozen=True, slots=True)
class Violation:
    """One promise that was not kept.

    Attributes:
        invariant: its name in the list of invariants, such as `I1`.
        text: which job or process, and when.
    """

    invariant: str
    text: str


@dataclass(slots=True)
class Verdict:
    """Figures in the order in which they were taken, and what was violated."""

    figures: dict[str, Figure] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """True if nothing was violated."""
        return not self.violations

    def violate(self, invariant: str, text: str) -> None:
        """Note one violation."""
        self.violations.append(Violation(invariant, text))

    def line(self) -> str:
        """Return the last line of a run."""
        return " | ".join(
            (
                ", ".join(self._deeds()),
                ", ".join(self._named("lost", "unexplained duplicates", "starved")),
                ", ".join(self._named("began twice", "ended twice")),
                *self._steps(),
                f"counters {self.figures['counters']}",
                self._recovery(),
                "PASS" if self.is_clean else f"FAIL ({len(self.violations):,} violations)",
            )
        )

    def _deeds(self) -> Iterator[str]:
        yield f"{self.figures['jobs']:,} jobs"
        for name in ("killed", "cuts", "malformed"):
            if self.figures[name]:
                yield f"{self.figures[name]:,} {name}"
        for name, count in self.figures.items():
            if name.startswith(NEMESIS) and name not in _TOLD_OTHERWISE:
                yield f"{count:,} x {name.removeprefix(NEMESIS)}"

    def _named(self, *names: str) -> Iterator[str]:
        for name in names:
            yield f"{name} {self.figures[name]:,}"
        if "lost" in names and self.figures["lost by Redis"]:
            yield f"lost by Redis {self.figures['lost by Redis']:,}"

    def _steps(self) -> Iterator[str]:
        if self.figures.get("steps finished"):
            yield ", ".join(self._named("steps finished", "steps left out", "finished steps begun again"))

    def _recovery(self) -> str:
        told = [
            f"{name} {seconds:.1f} s"
            for name in ("recovered within", "disturbed recovered within", "resumed within")
            if isinstance(seconds := self.figures[name], float)
        ]
        if self.figures["killed"] and not self.figures["recoveries"]:
            return ", ".join(("nothing judged", *told))
        return ", ".join(told) or "nothing to recover"
