import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.failpoints import FAILPOINT, FAILPOINTS, Seam, arm, resolve
from tests.support.ledger import Ledger
from tests.support.processes import ROOT

PROGRAM = """
import asyncio, sys
from tests.support import failpoints
from tests.support.failpoints import Seam
from tests.support.ledger import Ledger

ledger = Ledger(sys.argv[1])

class Work:
    async def step(self, number):
        ledger.write(f"BEGIN-{number}")
        await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0.01)
        ledger.write(f"END-{number}")
        return number

    def plain(self, number):
        ledger.write(f"BEGIN-{number}")

sys.modules["work"] = sys.modules["__main__"]
seams = {
    "before": Seam("work:Work.step", "before"),
    "during": Seam("work:Work.step", "during"),
    "after": Seam("work:Work.step", "after"),
    "counted": Seam("work:Work.step", "after", lambda arguments, result: result == 2),
    "plain": Seam("work:Work.plain", "before"),
}
failpoints.arm(sys.argv[2], ledger, seams)

async def main():
    for number in (1, 2, 3):
        await Work().step(number)

if sys.argv[2] == "plain":
    Work().plain(1)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("before", [FAILPOINT]),
        ("before:2", ["BEGIN-1", "END-1", FAILPOINT]),
        ("during", ["BEGIN-1", FAILPOINT]),
        ("after", ["BEGIN-1", "END-1", FAILPOINT]),
        ("counted", ["BEGIN-1", "END-1", "BEGIN-2", "END-2", FAILPOINT]),
        ("plain", [FAILPOINT]),
    ],
)
def test_the_process_dies_at_the_named_place(tmp_path: Path, spec: str, told: list[str]) -> None:
    died = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path), spec], cwd=ROOT, check=False)

    assert died.returncode == -signal.SIGKILL
    assert [event.name for event in Ledger(tmp_path).history().events] == told


def test_a_failpoint_that_is_not_reached_changes_nothing(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path), "after:4"], cwd=ROOT, check=False)

    assert ended.returncode == 0


@pytest.mark.parametrize("name", FAILPOINTS)
def test_every_failpoint_has_its_place_in_the_product(name: str) -> None:
    owner, attribute = resolve(FAILPOINTS[name].target)

    assert callable(getattr(owner, attribute))


def test_refuses_what_is_not_there() -> None:
    with pytest.raises(LookupError):
        arm("no such name")
    with pytest.raises(LookupError, match="is gone: os:no_such_function"):
        arm("lost", failpoints={"lost": Seam("os:no_such_function", "before")})
    with pytest.raises(LookupError, match="only an async target"):
        arm("sync", failpoints={"sync": Seam("os:getpid", "during")})
