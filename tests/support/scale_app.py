"""An application whose job does nothing, not even tell the ledger, for tests of many jobs."""

import json
import os

from benchmarks.payloads import JOB

from sidelong import Sidelong
from tests.support.ledger import READY, Ledger
from tests.support.processes import LEDGER, SETTINGS, URL

app = Sidelong(os.environ[URL], **json.loads(os.environ.get(SETTINGS, "{}")))


@app.job(name=JOB)
async def noop(number: int) -> None:
    """Does nothing."""


@app.on("startup")
def tell() -> None:
    """Write that the worker serves its queues."""
    Ledger(os.environ[LEDGER]).write(READY)
