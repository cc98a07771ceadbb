"""The services that the shop depends on, as the shop sees them: three to trade with, one to tell errors to."""

from collections.abc import Mapping
from typing import Any

import httpx

from shop import settings


class ServiceUnavailable(Exception):
    """The service answered that it has failed; whether it did its work before, nobody knows."""


class Throttled(Exception):
    """The service is busy and did nothing.

    Attributes:
        retry_after: in how many seconds to come back.
    """

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"come back in {retry_after:g} s")
        self.retry_after = retry_after


class PaymentDeclined(Exception):
    """The card was not charged and will not be; the message says why."""


TRANSIENT = (httpx.TransportError, ServiceUnavailable, Throttled)
"""What passes by itself: no connection, no answer in time, a failed or busy service."""

_clients: list[httpx.AsyncClient] = []


async def open_client(transport: httpx.AsyncBaseTransport | None = None) -> None:
    """Make the client that all requests share; to be called once in an event loop.

    Args:
        transport: what carries the requests, in tests.
    """
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=50)
    _clients.append(
        httpx.AsyncClient(base_url=settings.SERVICES_URL, timeout=settings.PATIENCE, limits=limits, transport=transport)
    )


async def close_client() -> None:
    """Close what `open_client` made."""
    await _clients.pop().aclose()


async def charge(order_id: int, *, card: str, cents: int) -> str:
    """Charge a card, once however often this is called, and return the number of the charge.

    Raises:
        PaymentDeclined: the card cannot pay.
    """
    answer = await _post("/payments/charges", {"card": card, "cents": cents}, key=f"order-{order_id}")
    return str(answer["id"])


async def find_mail(*, to: str, template: str, order_id: int) -> str | None:
    """Return the number of the mail that was sent for an order, None if there is none.

    The service can be searched by address and template. Among what it finds, the order's own mail is picked here.
    """
    answer = await _call("GET", "/email/messages", params={"to": to, "template": template})
    return next((str(mail["id"]) for mail in answer["messages"] if mail["order"] == order_id), None)


async def send_mail(*, to: str, template: str, order_id: int, invoice: int) -> str:
    """Send a mail, again with each call, and return its number."""
    mail = {"to": to, "template": template, "order": order_id, "invoice": invoice}
    return str((await _post("/email/messages", mail))["id"])


async def ship(order_id: int, *, item: str, parcels: list[int]) -> str:
    """Have parcels of so many grams sent, once however often this is called, and return the number of the job."""
    request = {"order": order_id, "item": item, "parcels": parcels}
    answer = await _post("/fulfilment/jobs", request, key=f"idempotency_key-order-{order_id}")
    return str(answer["id"])


async def tell_error(notice: Mapping[str, Any]) -> None:
    """Tell the error catcher what went wrong."""
    await _post("/errors/notices", notice)


async def alert(message: Mapping[str, Any]) -> None:
    """Have the error catcher call a person."""
    await _post("/errors/alerts", message)


async def states() -> dict[str, dict[str, Any]]:
    """Return the state of each service, by its name."""
    return await _call("GET", "/state")


async def _post(path: str, body: Mapping[str, Any], key: str = "") -> dict[str, Any]:
    return await _call("POST", path, json=body, headers={"Idempotency-Key": key} if key else None)


async def _call(method: str, path: str, **request: Any) -> dict[str, Any]:
    response = await _clients[-1].request(method, path, **request)
    match response.status_code:
        case 402:
            raise PaymentDeclined(response.json()["error"])
        case 429:
            raise Throttled(float(response.headers.get("Retry-After", "1")))
        case status if status >= 500:
            raise ServiceUnavailable(f"{path} answered {status}")
    answer: dict[str, Any] = response.raise_for_status().json()
    return answer
