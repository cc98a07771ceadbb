"""The environment, read here and nowhere else."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class LogSurroundings:
    """What the environment says about the log of this process.

    Attributes:
        colours: whether a pretty log has colours (`NO_COLOR`, `FORCE_COLOR`, `TERM`); None where a terminal decides.
        timestamps: False where the platform adds them (`DYNO`).
        wants_debug: whether systemd was told to run this service with a debug log (`DEBUG_INVOCATION`).
    """

    colours: bool | None
    timestamps: bool
    wants_debug: bool


def log_surroundings(environ: Mapping[str, str] = os.environ) -> LogSurroundings:
    """Return what the environment says about the log; `NO_COLOR` comes before `FORCE_COLOR`."""
    colours = None
    if environ.get("NO_COLOR"):
        colours = False
    elif environ.get("FORCE_COLOR", "0") not in ("", "0"):
        colours = True
    elif environ.get("TERM") == "dumb":
        colours = False
    return LogSurroundings(
        colours=colours,
        timestamps=not environ.get("DYNO"),
        wants_debug=environ.get("DEBUG_INVOCATION") == "1",
    )


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
