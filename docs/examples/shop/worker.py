"""What the worker process runs: `sidelong run shop.worker:app`."""

import logging

from shop import errors, handover, partners
from shop.app import app

# A line for each request, beside those for each job, would be one too many.
logging.getLogger("httpx").setLevel(logging.WARNING)

app.on("startup")(partners.open_client)
app.on("exit")(partners.close_client)
app.on("beat")(handover.sweep)
app.error_handler(errors.tell)
app.death_handler(errors.alert)

__all__ = ["app"]
