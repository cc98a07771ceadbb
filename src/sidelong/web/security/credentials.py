"""Who asks: user and password of HTTP Basic, or whatever the host application knows its users by."""

import binascii
import hashlib
import hmac
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self

from starlette.requests import Request
from starlette.responses import Response

from sidelong.errors import ConfigurationError
from sidelong.settings import web_credentials

Auth = Callable[[Request], Any | Awaitable[Any]]
"""Returns who asks, something false to refuse, or a `Response`, such as a redirect to a login page, to send."""

_LONGEST: Final = 8_192
"""Characters of a header that are looked at."""


class BasicAuth:
    """Lets one user in, by the password that a browser asks for.

    Args:
        username: who.
        password: what only they know.

    Raises:
        ConfigurationError: one of them is empty, or the name has a colon in it, which HTTP does not allow.
    """

    challenge: Final = 'Basic realm="Sidelong", charset="UTF-8"'

    def __init__(self, username: str, password: str) -> None:
        if not username or not password or ":" in username:
            raise ConfigurationError("BasicAuth needs a username without a colon, and a password; neither may be empty")
        self._username = username
        self._expected = (_digest(username.encode()), _digest(password.encode()))

    @classmethod
    def from_environment(cls) -> Self:
        """Take both from `SIDELONG_WEB_USERNAME` and `SIDELONG_WEB_PASSWORD`.

        Raises:
            ConfigurationError: one of them is not set.
        """
        username, password = web_credentials()
        if not username or not password:
            raise ConfigurationError("set SIDELONG_WEB_USERNAME and SIDELONG_WEB_PASSWORD, which BasicAuth reads")
        return cls(username, password)

    def __call__(self, request: Request) -> str | None:
        """Return the user's name, None if the request does not prove to be theirs."""
        username, password = _read(request.headers.get("authorization", ""))
        # Both always, and as digests of one length: how long it takes tells nothing.
        is_user = hmac.compare_digest(_digest(username), self._expected[0])
        is_password = hmac.compare_digest(_digest(password), self._expected[1])
        return self._username if is_user & is_password else None

    def __repr__(self) -> str:
        return f"<BasicAuth for {self._username!r}>"


async def identify(auth: Auth, request: Request) -> Any:
    """Return what `auth` says of a request."""
    found = auth(request)
    return await found if inspect.isawaitable(found) else found


def name_of(user: Any) -> str:
    """Return how the audit log calls a user."""
    if isinstance(user, str):
        return user
    for attribute in ("username", "email", "display_name", "name"):
        name = getattr(user, attribute, None)
        if isinstance(name, str) and name:
            return name
    return "(somebody)" if user is True else str(user)


def challenge_of(auth: Auth) -> dict[str, str]:
    """Return the headers that tell a browser how to prove who asks."""
    challenge = getattr(auth, "challenge", None)
    return {"WWW-Authenticate": challenge} if isinstance(challenge, str) else {}


def is_answer(found: Any) -> bool:
    """Tell whether `auth` has answered the request itself."""
    return isinstance(found, Response)


def _read(header: str) -> tuple[bytes, bytes]:
    scheme, _, encoded = header[:_LONGEST].partition(" ")
    if scheme.lower() != "basic":
        return b"", b""
    try:
        plain = binascii.a2b_base64(encoded.strip().encode("ascii"), strict_mode=True)
    except (ValueError, UnicodeEncodeError):
        return b"", b""
    username, _, password = plain.partition(b":")
    return username, password


def _digest(part: bytes) -> bytes:
    return hashlib.sha256(part).digest()
