"""The application of worker processes, for `sidelong run tests.chaos.worker_app:app`."""

import json
import os

from tests.chaos.jobs import build
from tests.support.processes import LEDGER, SETTINGS, URL

app = build(os.environ[URL], os.environ[LEDGER], **json.loads(os.environ.get(SETTINGS, "{}")))
