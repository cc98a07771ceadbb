"""What Redis answered to a question, or the error that says of which key."""

from collections.abc import Sequence
from typing import Any

from sidelong.core.display import shown
from sidelong.errors import Refused, ReplyLost
from sidelong.store.link import Link
from sidelong.store.wire import Command, Word


async def ask(link: Link, *command: Word) -> Any:
    """Send a command whose first argument is a key.

    Raises:
        Refused: with the key in its message, such as one that holds another type.
        Unavailable, ReplyLost: as `Link.call`.
    """
    try:
        return await link.call(*command)
    except Refused as error:
        raise about(error, command[1]) from None


async def ask_all(link: Link, commands: Sequence[Command]) -> list[Any]:
    """Send commands whose first argument is a key, in one round trip; `Refused` stands among the answers.

    Raises:
        Refused: Redis refused every one of them.
        Unavailable, ReplyLost: as `Link.call`.
    """
    answers: list[Any] = await link.pipeline(commands) if commands else []
    for place, answer in enumerate(answers):
        if isinstance(answer, ReplyLost):
            raise answer
        if isinstance(answer, Refused):
            answers[place] = about(answer, commands[place][1])
    if answers and all(isinstance(answer, Refused) and answer.code != "WRONGTYPE" for answer in answers):
        raise answers[0]
    return answers


def about(error: Refused, key: Word) -> Refused:
    """Return what Redis said with the name of the key that it is about."""
    return Refused(f"{error} (key {shown(key)})")
