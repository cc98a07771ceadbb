"""The environment, read here and nowhere else."""

import os
from collections.abc import Mapping
from typing import Final

from sidelong.errors import ConfigurationError

DEFAULT_REDIS_URL: Final = "redis://localhost:6379/0"


def redis_url(environ: Mapping[str, str] = os.environ) -> str:
    """Return the URL of the Redis to use.

    `SIDELONG_REDIS_URL` comes first, then the variable whose name `REDIS_PROVIDER` holds, then `REDIS_URL`,
    then the local server. An empty variable counts as unset.

    Raises:
        ConfigurationError: `REDIS_PROVIDER` holds a URL, or names a variable that is not set.
    """
    if url := environ.get("SIDELONG_REDIS_URL"):
        return url
    if provider := environ.get("REDIS_PROVIDER"):
        return _provided(provider, environ)
    return environ.get("REDIS_URL") or DEFAULT_REDIS_URL


def host(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the host name that the platform gives this process (`DYNO`), or None."""
    return environ.get("DYNO") or None


def _provided(name: str, environ: Mapping[str, str]) -> str:
    if ":" in name:
        # The value may hold a password, so the message does not repeat it.
        raise ConfigurationError(
            "REDIS_PROVIDER must be the name of the variable that holds the Redis URL, not the URL itself; "
            "put the URL in REDIS_URL"
        )
    if url := environ.get(name):
        return url
    raise ConfigurationError(f"REDIS_PROVIDER names the variable {name}, which is not set")
