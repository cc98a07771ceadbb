"""Templates, and the few things they may call. Everything is escaped, and nothing is ever marked as safe."""

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, Final, TypeVar

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, PrefixLoader, StrictUndefined

from sidelong.api.instants import as_date
from sidelong.core.display import escaped
from sidelong.web import texts
from sidelong.web.assets import DIGEST
from sidelong.web.charts.durations import Bucket
from sidelong.web.places import Place, write_path, write_segment
from sidelong.web.redaction import listed_arguments
from sidelong.web.site import Site

_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("sidelong.web", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

SECTIONS: Final = ("dashboard", "busy", "queues", "scheduled", "retries", "dead", "metrics", "redis")
"""The pages that the navigation leads to, in order."""

F = TypeVar("F", bound=Callable[..., Any])

_WORD_OF_NAME: Final = re.compile(r"[^._:/#]+[._:/#]*|[._:/#]+")
_ON_ONE_LINE: Final = json.JSONEncoder(ensure_ascii=False, default=str)
_ON_LINES: Final = json.JSONEncoder(ensure_ascii=False, default=str, indent=2)
_LONGEST_JSON: Final = 20_000
"""Characters of JSON that a page shows."""
_SAID: Final = re.compile(r"([a-z]{1,20})((?:\.\d{1,12}){0,4})")


def path_of(section: str) -> str:
    """Return the path of a page of the navigation."""
    return "/" if section == "dashboard" else f"/{section}"


def render(template: str, site: Site, place: Place, *, query: Mapping[str, str], figures: Any, **values: Any) -> str:
    """Return a page as HTML.

    Args:
        template: the name of its file.
        site: what the dashboard was made with.
        place: where the request went.
        query: its query.
        figures: what stands in the bar of figures; None leaves it out.
        values: what the template needs beside them.
    """
    common = {
        "site": site,
        "place": place,
        "url": place.url,
        "path": write_path,
        "segment": write_segment,
        "asset": lambda name: place.url(f"/static/{DIGEST}/{name}"),
        "t": texts.text,
        "arguments_of": partial(listed_arguments, site),
        "figures": figures,
        "sections": [
            *((section, place.url(path_of(section)), texts.text(section)) for section in SECTIONS),
            *((name, place.url(f"/{name}"), title) for name, title in site.tabs),
        ],
        "section": place.path.split("/")[1] or "dashboard",
        "message": said(query.get("said", "")),
        "here": place.path,
    }
    templates = _with_templates(site.templates) if site.templates else _ENVIRONMENT
    return templates.get_template(template).render({**common, **values})


@lru_cache(maxsize=32)
def _with_templates(directories: tuple[tuple[str, str], ...]) -> Environment:
    """Return the environment in which the templates of extensions are found as well."""
    others = PrefixLoader({name: FileSystemLoader(directory) for name, directory in directories})
    assert _ENVIRONMENT.loader is not None
    return _ENVIRONMENT.overlay(loader=ChoiceLoader([_ENVIRONMENT.loader, others]))


def fault(site: Site, place: Place, status: int, detail: str = "") -> str:
    """Return the page that tells why there is none."""
    known = status if f"fault_{status}" in texts.TEXTS else 500
    return render("fault.html", site, place, query={}, figures=None, status=status, known=known, detail=detail)


def said(code: str) -> str:
    """Return the message that an action left in the address of the page after it.

    It is a word and some numbers, so that nobody can put words of their own into a page by a link.
    """
    parts = _SAID.fullmatch(code)
    if parts is None or f"said_{parts[1]}" not in texts.TEXTS:
        return ""
    numbers = [int(number) for number in parts[2].split(".")[1:]]
    return texts.said(parts[1], numbers)


def _filter(function: F) -> F:
    _ENVIRONMENT.filters[function.__name__] = function
    return function


@_filter
def number(value: int | float | None) -> str:
    """Return a number with its thousands apart."""
    return "" if value is None else f"{value:,}"


@_filter
def iso(seconds: float | None) -> str:
    """Return a time as machines read it, in UTC; "" for what no calendar has."""
    moment = as_date(seconds)
    return "" if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@_filter
def utc(seconds: float | None) -> str:
    """Return a time as people read it, in UTC."""
    moment = as_date(seconds)
    return texts.text("no_time") if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


@_filter
def duration(seconds: float) -> str:
    """Return how long something takes, in two units at most."""
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    for size, unit, part, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


@_filter
def took(milliseconds: float | None) -> str:
    """Return how long a job takes; a dash where nobody knows."""
    if milliseconds is None:
        return "\u2013"
    if milliseconds < 10:
        return f"{round(milliseconds, 1):g} ms"
    return f"{round(milliseconds)} ms" if milliseconds < 1000 else duration(milliseconds / 1000)


@_filter
def weight(size: int | None) -> str:
    """Return how much memory that is, in the unit that reads well; a dash where nobody knows."""
    if size is None:
        return "\u2013"
    amount = float(size)
    for unit in ("B", "KB", "MB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:,.1f} GB"


@_filter
def between(bucket: Bucket) -> str:
    """Return which durations a bucket holds."""
    if bucket.bound is None:
        return texts.text("took_more", least=took(bucket.least))
    if not bucket.least:
        return texts.text("took_less", bound=took(bucket.bound))
    return texts.text("took_between", least=took(bucket.least), bound=took(bucket.bound))


@_filter
def visible(value: Any) -> str:
    """Return a text from Redis with marks for what would not be seen, or would turn the writing around."""
    return escaped(value if isinstance(value, str) else str(value))


@_filter
def lines(value: Any) -> str:
    """Return a text as `visible` does, but with its lines and tabs."""
    return "\n".join(escaped(line).replace("\\t", "    ") for line in str(value).split("\n"))


@_filter
def arguments(values: list[Any] | None, most: int = 100) -> str:
    """Return the begin of the arguments of a job on one line."""
    if values is None:
        return texts.text("arguments_too_long")
    return cut(escaped(_written(_ON_ONE_LINE, values, most + 3)[1:].removesuffix("]")), most)


@_filter
def pretty(value: Any) -> str:
    """Return the begin of a value as JSON on several lines."""
    return lines(cut(_written(_ON_LINES, value, _LONGEST_JSON + 1), _LONGEST_JSON))


@_filter
def cut(value: str, most: int) -> str:
    """Return the begin of a long text."""
    return value if len(value) <= most else f"{value[: most - 1]}\u2026"


@_filter
def words_of_name(value: str) -> list[str]:
    """Return the parts of a name such as `shop.jobs.send_mail` or `Shop::SendMail`, each with what ends it."""
    return _WORD_OF_NAME.findall(value)


@_filter
def raw(value: bytes) -> str:
    """Return the begin of what is no job."""
    return visible(cut(value[:2_048].decode("utf-8", "backslashreplace"), 2_048))


def _written(encoder: json.JSONEncoder, value: Any, enough: int) -> str:
    """Return so much of a value as JSON, or a little more; what comes behind that is not looked at."""
    parts: list[str] = []
    for part in encoder.iterencode(value):
        parts.append(part[:enough])
        enough -= len(part)
        if enough <= 0:
            break
    return "".join(parts)
