"""Style sheets and scripts."""

from starlette.responses import Response

from sidelong.web.assets import ASSETS, DIGEST
from sidelong.web.security.headers import ASSET
from sidelong.web.visit import Visit, not_found


async def asset(visit: Visit) -> Response:
    """Return one of them."""
    name = visit.names["name"]
    if name not in ASSETS or visit.names["digest"] != DIGEST:
        not_found()
    content, media_type = ASSETS[name]
    return Response(content, headers=ASSET, media_type=media_type)
