"""The application of worker processes, for `sidelong run tests.support.worker_app:app`."""

import json
import os

from tests.support.jobs import build_app
from tests.support.processes import LEDGER, SETTINGS, URL

app = build_app(os.environ[URL], os.environ[LEDGER], **json.loads(os.environ.get(SETTINGS, "{}")))
