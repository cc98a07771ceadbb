"""`python -m shop.services`: all fake services in one process, on loopback."""

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from shop import settings
from shop.services.catcher import Catcher
from shop.services.email import Email
from shop.services.fulfilment import Fulfilment
from shop.services.payments import Payments
from shop.services.service import Service

services: list[Service | Catcher] = [Payments(), Email(), Fulfilment(), Catcher()]


async def state(request: Request) -> Response:
    """Return the state of all services, by name."""
    return JSONResponse({service.name: service.state for service in services})


async def reset(request: Request) -> Response:
    """Let all services forget what they did, and behave."""
    for service in services:
        vars(service).update(vars(type(service)()))
    return JSONResponse({})


async def home(request: Request) -> Response:
    """Lead whoever comes to the wrong port to the shop."""
    return RedirectResponse(settings.SHOP_URL)


app = Starlette(
    routes=[
        Route("/", home),
        Route("/state", state),
        Route("/reset", reset, methods=["POST"]),
        *[service.routes() for service in services],
    ]
)

if __name__ == "__main__":
    uvicorn.run(app, port=settings.SERVICES_PORT, log_level="warning", access_log=False)
