"""How a connection logs in, read from connection options in redis-py's words."""

from collections.abc import Mapping
from typing import Any

from redis.credentials import CredentialProvider


async def credentials(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the words that follow AUTH, none where no login is needed; raises whatever a provider raises."""
    provider: CredentialProvider | None = options.get("credential_provider")
    if provider is not None:
        return tuple(await provider.get_credentials_async())
    password = options.get("password")
    username = options.get("username")
    if password is None and username is None:
        return ()
    return (str(username), str(password or "")) if username else (str(password),)


def secrets(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what no log may show."""
    return tuple(str(options[name]) for name in ("password", "username") if options.get(name))
