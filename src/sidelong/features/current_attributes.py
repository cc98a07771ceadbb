"""Context variables that travel with jobs, as Sidekiq's CurrentAttributes do and in the same keys of the payload.

`app.use(CurrentAttributes(tenant, locale))`, in what enqueues and in workers.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final

from sidelong.app import Sidelong
from sidelong.core.display import shown
from sidelong.core.middleware import CallNext
from sidelong.core.payload import job_class
from sidelong.core.promotion import is_promoted
from sidelong.core.serialization import check_value, plain_text
from sidelong.errors import ConfigurationError

logger = logging.getLogger("sidelong")

_KEY: Final = re.compile(r"cattr(_[1-9][0-9]*)?")
_UNSET: Final = object()


class CurrentAttributes:
    """Client and server middleware that store context variables with a job and set them again around it.

    A job keeps what was stored when it was first enqueued, whatever surrounds its retries and its promotion. What a job
    enqueues gets the variables of that job. One that is not set where a job is enqueued is not stored, not even if it
    has a default. In the payload a variable has the name it was made with.

    Args:
        variables: what travels. Values are strict JSON: a push with another one is an `ArgumentError`.
        key: where they stand in the payload. A second set, as of another Ruby class, has `cattr_1`, the next `cattr_2`.

    Raises:
        ConfigurationError: there is no variable, or two are of one name, or the key is none of these.
    """

    def __init__(self, *variables: ContextVar[Any], key: str = "cattr") -> None:
        if not _KEY.fullmatch(key):
            raise ConfigurationError(f"current attributes stand in 'cattr', 'cattr_1', 'cattr_2', ..., not in {key!r}")
        if not variables:
            raise ConfigurationError("CurrentAttributes needs the context variables that are to travel")
        self._key = key
        self._variables: dict[str, ContextVar[Any]] = {}
        for variable in variables:
            if not isinstance(variable, ContextVar):
                raise ConfigurationError(f"what travels must be a ContextVar, not {type(variable).__name__}")
            if self._variables.setdefault(plain_text(variable.name), variable) is not variable:
                raise ConfigurationError(f"two context variables are called {variable.name!r}")

    def install(self, app: Sidelong) -> None:
        """Let the variables travel with all jobs of an application.

        Client middleware that was added before may still set them. As a stored job becomes due, all of it sees what
        the job has brought along.

        Raises:
            ConfigurationError: another set of variables has the same key.
        """
        for middleware in app.client_middleware:
            other = getattr(middleware, "__self__", None)
            if isinstance(other, CurrentAttributes) and other is not self and other._key == self._key:
                raise ConfigurationError(f"{self._key!r} is taken: give these variables a key of their own")
        app.client_middleware.prepend(self.restore_around_push)
        app.client_middleware.add(self.save)
        app.server_middleware.prepend(self.restore)

    async def save(self, job: dict[str, Any], call_next: CallNext) -> Any:
        """Store the variables with a job that is enqueued for the first time.

        Raises:
            ArgumentError: a value cannot travel; the message names its variable.
        """
        # An operator or a poller, who promotes it, is not where it comes from.
        if self._key not in job and not is_promoted(job) and (values := self._values()):
            job[self._key] = values
        return await call_next()

    async def restore_around_push(self, job: dict[str, Any], call_next: CallNext) -> Any:
        """Set the variables for the client middleware inside, where a job has brought them along."""
        with _set(self._stored(job)):
            return await call_next()

    async def restore(self, job: dict[str, Any], call_next: CallNext) -> Any:
        """Set the variables for the rest of an execution: handlers of its error are told within them, too."""
        if self._key in job and _by_name(job[self._key]) is None:
            logger.warning(
                "%s of %s %s holds no attributes: no context variable is set",
                self._key,
                shown(job_class(job)),
                shown(job.get("jid")),
            )
        # Nothing has to be undone: each execution has a context of its own.
        for variable, value in self._stored(job):
            variable.set(value)
        return await call_next()

    def _values(self) -> dict[str, Any]:
        values = {}
        for name, variable in self._variables.items():
            value = variable.get(_UNSET)
            if value is not _UNSET:
                check_value(value, root=f"the context variable {name!r}")
                values[name] = value
        return values

    def _stored(self, job: dict[str, Any]) -> list[tuple[ContextVar[Any], Any]]:
        stored = _by_name(job.get(self._key)) or {}
        return [(variable, stored[name]) for name, variable in self._variables.items() if name in stored]


def _by_name(stored: Any) -> dict[str, Any] | None:
    """Return attributes by their names; None if these are none.

    Sidekiq 8 lets ActiveJob write them, for which a hash is a list of pairs, and a symbol an object.
    """
    if not isinstance(stored, list):
        return stored if isinstance(stored, dict) else None
    values = {}
    for pair in stored:
        match pair:
            case [str(name), value] | [{"_aj_serialized": str(), "value": str(name)}, value]:
                values[name] = value
            case _:
                return None
    return values


@contextmanager
def _set(values: list[tuple[ContextVar[Any], Any]]) -> Iterator[None]:
    tokens = [(variable, variable.set(value)) for variable, value in values]
    try:
        yield
    finally:
        for variable, token in tokens:
            # A push that is torn down with its event loop ends in another context.
            with suppress(ValueError):
                variable.reset(token)
