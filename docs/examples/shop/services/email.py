"""Sends e-mails; it knows no idempotency keys, so whoever asks twice sends twice."""

from typing import Any

from shop.services.service import Service


class Email(Service):
    """The e-mail service."""

    name = "email"
    title = "E-mail"
    collection = "messages"
    columns = ("id", "to", "template", "order", "invoice")

    def perform(self, request: dict[str, Any], key: str) -> tuple[int, dict[str, Any]]:
        """Send a mail."""
        return 202, self.record({name: request[name] for name in ("to", "template", "order", "invoice")})
