"""One job that is changed, in the JSON API."""

from collections.abc import Awaitable
from typing import Annotated, Any

from msgspec import Meta, Struct
from starlette.exceptions import HTTPException

from sidelong.core.display import shown
from sidelong.errors import Refused, StoreError
from sidelong.web.actions.one import Done
from sidelong.web.visit import not_found


class Edit(Struct, kw_only=True, forbid_unknown_fields=True):
    """How a job is to be changed.

    Attributes:
        changes: fields of its payload with their new values, such as `args` or `queue`.
    """

    changes: Annotated[dict[str, Any], Meta(max_length=100)]


class Replacement(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is to stand in the place of a job.

    Attributes:
        item: a whole payload, taken as it is: the way to mend what is no job.
    """

    item: Annotated[dict[str, Any], Meta(max_length=1_000)]


class Changed(Struct, kw_only=True):
    """A job was changed.

    Attributes:
        outcome: always `done`.
    """

    outcome: str


async def changed(doing: Awaitable[Done]) -> Changed:
    """Return the answer after a job was changed.

    Raises:
        HTTPException: 404 if it was not found, 409 if it cannot enter its queue, 422 if no job can be like this.
        StoreError, TimeoutError: Redis cannot be reached, or refuses.
    """
    try:
        done = await doing
    except Refused as error:
        # The key of its queue may hold something else; all others are Redis' own trouble.
        if error.code != "WRONGTYPE":
            raise
        raise HTTPException(409, shown(str(error))) from None
    except (StoreError, TimeoutError, HTTPException):
        raise
    except Exception as error:
        # Whatever a push would refuse, or a client middleware raises.
        is_told = isinstance(error, TypeError | ValueError)
        raise HTTPException(422, shown(str(error) if is_told else f"{type(error).__name__}: {error}")) from None
    if done is Done.UNFOUND:
        raise HTTPException(404, "there was no time to look through all of the queue: say by `at` where it stands")
    if done is Done.GONE:
        not_found()
    if done is Done.STOPPED:
        raise HTTPException(409, "a client middleware stopped the job, which stays where it is")
    return Changed(outcome=done)
