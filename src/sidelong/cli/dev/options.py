"""What `sidelong dev` was asked for, and what of it the host is told."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from sidelong.cli.run import RunOptions

DEFAULT_TIMEOUT = 1.0
"""Seconds that running jobs and requests have at a reload; production's would keep one waiting."""


PATIENCE = 10.0
"""Seconds that the host has to end, besides those, before it is taken to be blocked."""


@dataclass(frozen=True)
class DevOptions:
    """What the command line asks for.

    Attributes:
        run: the worker, as for `sidelong run`.
        web_app: where the web app is; None for none.
        is_factory: whether that is a function which returns it.
        host: the address to listen on.
        port: the port of the web app; None for 8000 or the next that is free.
        web_port: the port of the pages; None for 8080 or the next that is free.
        watched: directories whose files are watched.
        reloads: whether a change starts all anew.
    """

    run: RunOptions
    web_app: str | None = None
    is_factory: bool = False
    host: str = "127.0.0.1"
    port: int | None = None
    web_port: int | None = None
    watched: Sequence[Path] = ()
    reloads: bool = True

    @property
    def timeout(self) -> float:
        """Seconds that running jobs and requests have."""
        return _timeout(self.run)


@dataclass(frozen=True)
class HostOrder:
    """What the host is told as it starts.

    Attributes:
        run: the worker; the settings file and the environment are told by variables.
        web_app: where the web app is.
        is_factory: whether that is a function which returns it.
        pages: the descriptor of the socket of the pages.
        web: that of the web app.
        snapshot: where the embedded stores lie between two hosts.
        known_redis: the address that the host before has used; None for the first.
        missing_redis: the address that did not answer, so that the host before has used the embedded store.
        watches: what is watched, in words; empty for nothing.
        is_first: whether none was serving before.
        advice: of what kinds those before have told advice.
    """

    run: RunOptions
    web_app: str | None
    is_factory: bool
    pages: int
    web: int | None
    snapshot: str
    known_redis: str | None = None
    missing_redis: str | None = None
    watches: str = ""
    is_first: bool = True
    advice: Sequence[str] = ()

    @property
    def timeout(self) -> float:
        """Seconds that running jobs and requests have."""
        return _timeout(self.run)

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read what `as_json` has written."""
        values: dict[str, Any] = json.loads(text)
        return cls(**{**values, "run": RunOptions(**values["run"])})

    def as_json(self) -> bytes:
        """Return it as one line."""
        run = replace(self.run, config_file=None, environment=None)
        return json.dumps(asdict(replace(self, run=run))).encode()


def _timeout(run: RunOptions) -> float:
    return DEFAULT_TIMEOUT if run.timeout is None else run.timeout
