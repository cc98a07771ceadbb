"""Which Redis `sidelong dev` works on: the one that is found, or the store inside the process."""

import asyncio
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from sidelong.app import Sidelong
from sidelong.cli.dev.options import HostOrder
from sidelong.cli.loading import loaded_apps
from sidelong.core.redaction import redacted
from sidelong.errors import ConfigurationError, StoreError

EMBEDDED: Final = "memory://"


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen.

    Attributes:
        address: of the Redis, or `memory://` and a name, without credentials.
        missing: the address that cannot be used, for which the embedded store stands in; None if none does.
        reason: why it cannot be used; empty if that was found out by the host before.
    """

    address: str
    missing: str | None = None
    reason: str = ""

    @property
    def is_embedded(self) -> bool:
        """Whether all is inside this process."""
        return self.address.startswith(EMBEDDED)

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is on another machine, where others may use it."""
        return not self.is_embedded and not _is_here(self.address)


def choose_redis(app: Sidelong, order: HostOrder, make_loop: Callable[[], asyncio.AbstractEventLoop]) -> Choice:
    """Let the app use a Redis that can be used.

    What a host has begun with holds for those after it, as long as the address stays the same: jobs must not be
    in one store today and in another after a keystroke.

    Args:
        app: the settings of the app say where Redis is.
        order: a Redis that is named there is used or refused.
        make_loop: returns an event loop.

    Raises:
        StoreError: it cannot be used, and no other may stand in for it.
        ConfigurationError: the address cannot be read, or the extra `embedded` is not installed.
    """
    if order.run.redis:
        app.use_redis(order.run.redis)
    address = app.store.address
    if address.startswith(EMBEDDED):
        return Choice(redacted(address))
    reason = ""
    if address != order.missing_redis:
        try:
            with asyncio.Runner(loop_factory=make_loop) as runner:
                runner.run(app.store.look())
        except StoreError as error:
            reason = str(error)
            if order.run.redis or address == order.known_redis:
                raise
            if not _is_here(address):
                raise StoreError(f"{reason} (--redis {EMBEDDED} works without one, inside the process)") from None
        else:
            return Choice(address)
    try:
        app.use_redis(EMBEDDED)
    except ConfigurationError:
        raise ConfigurationError(f"{reason or address}; to work without one, pip install 'sidelong[dev]'") from None
    return Choice(EMBEDDED, address, reason)


def use_everywhere(chosen: Sidelong, before: str) -> None:
    """Let the other apps that are loaded, such as one of the web app's own, follow to the Redis that was chosen.

    Args:
        chosen: the app that has it.
        before: the address that was its own; apps with another one stay there.
    """
    for app in loaded_apps():
        if app.store.address == before != chosen.store.address:
            app.use_redis(chosen.config.redis_url)


def _is_here(address: str) -> bool:
    """Tell whether a Redis at this address would be on this machine."""
    parts = urlsplit(address)
    if parts.scheme == "unix":
        return True
    try:
        return parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
