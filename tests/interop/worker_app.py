"""The application of worker processes that share jobs with Ruby, by the names of its classes."""

import json
import os

from tests.support import jobs
from tests.support.processes import LEDGER, SETTINGS, URL

app = jobs.build_app(os.environ[URL], os.environ[LEDGER], **json.loads(os.environ.get(SETTINGS, "{}")))
app.job(name="Held")(jobs.hold)
app.job(name="Logged")(jobs.noop)
app.job(name="Quick")(jobs.quick)
