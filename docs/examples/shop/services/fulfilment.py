"""Sends parcels; a repeated idempotency key is answered with the first job."""

from typing import Any

from shop.services.service import Service


class Fulfilment(Service):
    """The fulfilment service."""

    name = "fulfilment"
    title = "Fulfilment"
    collection = "jobs"
    columns = ("id", "key", "order", "item", "parcels")

    def perform(self, request: dict[str, Any], key: str) -> tuple[int, dict[str, Any]]:
        """Take a job unless this key has brought it."""
        known = next((job for job in self.records if job["key"] == key), None)
        return 201, known or self.record({"key": key, **{name: request[name] for name in ("order", "item", "parcels")}})
