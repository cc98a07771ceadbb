"""What the worker process runs: `sidelong run shop.worker:app`."""

from shop import errors, handover, partners
from shop.app import app

app.on("startup")(partners.open_client)
app.on("exit")(partners.close_client)
app.on("beat")(handover.sweep)
app.error_handler(errors.tell)
app.death_handler(errors.alert)

__all__ = ["app"]
