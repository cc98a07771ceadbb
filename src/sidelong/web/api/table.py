"""Every address of the JSON API."""

from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Final

from sidelong.web.api import entries, keys, metrics, processes, queues, redis, running, stats
from sidelong.web.api.endpoint import PREFIX, Endpoint, endpoint
from sidelong.web.api.openapi import describe
from sidelong.web.api.scale import SCALE
from sidelong.web.security.credentials import BasicAuth
from sidelong.web.visit import Visit

_ENDPOINTS: Final[Sequence[Endpoint]] = (
    *stats.ENDPOINTS,
    *queues.ENDPOINTS,
    *entries.endpoints(),
    *running.ENDPOINTS,
    *processes.ENDPOINTS,
    *metrics.ENDPOINTS,
    *redis.ENDPOINTS,
    *keys.ENDPOINTS,
    SCALE,
)


async def get_description(visit: Visit) -> dict[str, Any]:
    """Describe the JSON API as OpenAPI 3.1 does."""
    site = visit.site
    document = _described(site.title, isinstance(site.auth, BasicAuth), site.endpoints)
    return {**document, "servers": [{"url": visit.place.url(PREFIX)}]}


ENDPOINTS: Final[Sequence[Endpoint]] = (
    *_ENDPOINTS,
    endpoint("GET", "/openapi.json", "dashboard", get_description),
)
ROUTES: Final = [each.route for each in ENDPOINTS]


@lru_cache(maxsize=8)
def _described(title: str, has_basic_auth: bool, added: tuple[Endpoint, ...]) -> dict[str, Any]:
    endpoints = [*ENDPOINTS, *added]
    return describe(endpoints, title=title, version=version("sidelong"), has_basic_auth=has_basic_auth)
