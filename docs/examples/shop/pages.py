"""Pages from templates."""

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from shop import settings

_templates = Jinja2Templates(Path(__file__).parent / "templates")
_templates.env.globals.update(SHOP=settings.SHOP_URL, SERVICES=settings.SERVICES_URL)
_templates.env.filters["money"] = lambda cents: f"{cents / 100:.2f} €"


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """Return a page made from a template and values."""
    return _templates.TemplateResponse(request, template, values, status)
