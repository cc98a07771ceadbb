"""Addresses without their secrets, for logs, listings and error messages."""

import re
from typing import Final
from urllib.parse import unquote

HIDDEN: Final = "***"

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
# All others are hidden: a parameter nobody has thought of may hold a password.
_PLAIN: Final = re.compile(r"db|tls|protocol|(sentinel_)?(tls|ssl_(?!.*password).*)", re.IGNORECASE)


def redacted(url: str) -> str:
    """Return a URL with everything hidden that may be a secret: user, password, and most parameters.

    It need not be a valid one. Where it cannot be told what is a password, everything behind the scheme is hidden.
    """
    scheme = _SCHEME.match(url)
    if scheme is None:
        return HIDDEN
    address, question_mark, query = url[scheme.end() :].partition("?")
    if "@" in query:
        # Either the password holds a question mark, or a parameter an @.
        return f"{scheme[0]}{HIDDEN}"
    if "@" in address:
        address = f"{HIDDEN}@{address.rpartition('@')[2]}"
    parameters = "&".join(map(_redacted_parameter, query.split("&")))
    return f"{scheme[0]}{address}{question_mark}{parameters}"


def _redacted_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    if not equals:
        return HIDDEN if name else ""
    return parameter if _PLAIN.fullmatch(unquote(name)) else f"{name}={HIDDEN}"
