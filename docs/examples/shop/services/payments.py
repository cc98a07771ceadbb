"""Charges cards; a repeated idempotency key is answered with the first charge."""

from typing import Any

from shop.services.service import Service

POOR_CARD = "4000000000000002"
"""The card of somebody who cannot pay."""


class Payments(Service):
    """The payment service."""

    name = "payments"
    title = "Payments"
    collection = "charges"
    columns = ("id", "key", "card", "cents")

    def perform(self, request: dict[str, Any], key: str) -> tuple[int, dict[str, Any]]:
        """Charge a card unless this key has charged one."""
        if request["card"] == POOR_CARD:
            return 402, {"error": "Insufficient funds"}
        known = next((charge for charge in self.records if charge["key"] == key), None)
        return 201, known or self.record({"key": key, "card": request["card"][-4:], "cents": request["cents"]})
