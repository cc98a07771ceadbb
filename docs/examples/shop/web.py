"""The web process: `uvicorn shop.web:api`. It takes orders and shows them; the work is left to jobs."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from shop import check, orders, partners
from shop.app import app
from shop.forms import is_json, read_body, read_number
from shop.handover import hand_over
from shop.pages import page


async def home(request: Request) -> Response:
    """Show the order form, the latest orders, and how everybody is doing."""
    stock, latest, counts = await asyncio.to_thread(
        lambda: (orders.stock(), orders.latest(12), orders.count_by_state())
    )
    try:
        services = await partners.states()
    except partners.TRANSIENT:
        services = {}
    return page(
        request,
        "home.html",
        stock=stock,
        latest=latest,
        counts=counts,
        services=services,
        complaint=await asyncio.to_thread(check.complaint),
        key=secrets.token_hex(8),
    )


async def place_order(request: Request) -> Response:
    """Take an order: first into the database, then, once it is committed, to the queue."""
    try:
        fields = await read_body(request)
    except ValueError:
        raise HTTPException(422, "Please send a form, or a JSON object, in valid Unicode.") from None
    draft = read_draft(fields)
    try:
        order_id = await asyncio.to_thread(orders.place, draft)
    except orders.OutOfStock:
        raise HTTPException(409, f"Sorry, there is not enough left of: {draft.item}.") from None
    await hand_over(order_id)
    if is_json(request):
        return JSONResponse({"id": order_id, "url": f"/orders/{order_id}"}, 202)
    return RedirectResponse(f"/orders/{order_id}", 303)


async def show_order(request: Request) -> Response:
    """Show one order; while it is pending, the page loads itself again, ever more rarely as the order grows old."""
    try:
        order = await asyncio.to_thread(orders.find, read_number(request.path_params["order_id"]))
    except (ValueError, orders.NoSuchOrder):
        raise HTTPException(404, "There is no such order.") from None
    if is_json(request):
        return JSONResponse(asdict(order))
    age = time.time() - order.created_at
    return page(request, "order.html", order=order, refresh=int(min(max(age / 10, 1), 60)))


async def progress(request: Request) -> Response:
    """Return how many orders are in each state; `?after=7` leaves out those up to number 7."""
    try:
        after = read_number(request.query_params.get("after", "0"))
    except ValueError:
        raise HTTPException(422, "Please give the number of an order as after.") from None
    return JSONResponse(await asyncio.to_thread(orders.count_by_state, after))


def read_draft(fields: dict[str, Any]) -> orders.Draft:
    """Return what the customer asks for.

    Raises:
        HTTPException: a field is missing or cannot be.
    """
    try:
        draft = orders.Draft(
            key=str(fields.get("key") or secrets.token_hex(8)),
            item=str(fields["item"]),
            quantity=int(fields.get("quantity", 1)),
            email=str(fields["email"]).strip(),
            card=str(fields["card"]).replace(" ", ""),
            parcels=int(fields.get("parcels", 1)),
        )
    except KeyError as missing:
        raise HTTPException(422, f"Please fill in the field {missing.args[0]}.") from None
    except (ValueError, TypeError, OverflowError):
        raise HTTPException(422, "Please give quantity and parcels as whole numbers.") from None
    if not 1 <= draft.quantity <= 100 or not 0 <= draft.parcels <= 100 or "@" not in draft.email:
        raise HTTPException(422, "Please give an e-mail address, and 1 to 100 pieces.")
    return draft


async def refuse(request: Request, error: Exception) -> Response:
    """Say in a sentence what is wrong."""
    assert isinstance(error, HTTPException)
    if is_json(request):
        return JSONResponse({"error": error.detail}, error.status_code)
    return page(request, "error.html", status=error.status_code, message=error.detail)


@asynccontextmanager
async def lifespan(host: Starlette) -> AsyncIterator[None]:
    """Open what the web process needs, and give it back."""
    await partners.open_client()
    async with app:
        yield
    await partners.close_client()


api = Starlette(
    routes=[
        Route("/", home),
        Route("/orders", place_order, methods=["POST"]),
        Route("/orders/{order_id}", show_order),
        Route("/progress", progress),
    ],
    exception_handlers={HTTPException: refuse},
    lifespan=lifespan,
)
