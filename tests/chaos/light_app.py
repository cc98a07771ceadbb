"""The application of the workers of a long run, for `sidelong run tests.chaos.light_app:app`."""

import json
import os

from tests.chaos.light import build
from tests.support.processes import LEDGER, SETTINGS, URL

app = build(os.environ[URL], os.environ[LEDGER], **json.loads(os.environ.get(SETTINGS, "{}")))
