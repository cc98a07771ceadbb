"""Figures for Prometheus and for autoscalers, behind the same door as the pages. Needs the extra `metrics`."""

from typing import Final

from starlette.responses import Response

from sidelong.features.prometheus import CONTENT_TYPE, read_metrics
from sidelong.web.api.scale import SCALE
from sidelong.web.routes import Route
from sidelong.web.security.headers import PAGE
from sidelong.web.visit import Visit

_WITHIN: Final = 8.0
"""Seconds: gauges of the user's own have some of them."""


async def prometheus(visit: Visit) -> Response:
    """Return all figures as Prometheus reads them."""
    figures = await read_metrics(visit.site.app)
    return Response(figures, headers={**PAGE, "Content-Type": CONTENT_TYPE})


ROUTES: Final = (
    Route("GET", "/prometheus", prometheus, "prometheus", _WITHIN),
    Route("GET", "/scale", SCALE.answered, SCALE.target),
)
