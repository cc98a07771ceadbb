"""Messages to living workers, which act on them at once, and their answers.

A message is a hint: it may be lost with the connection that was about to bring it. What it tells of also stands
elsewhere, where the worker looks sooner or later, or it is sent again until it is answered.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from sidelong.core import serialization
from sidelong.store import keys
from sidelong.store.answers import ask
from sidelong.store.link import Link
from sidelong.store.scripts import Scripts

_KEPT: Final = 100
"""Messages that wait for a worker at the most: one that is frozen reads none."""

Message = Mapping[str, str]

LOOK_AT_PAUSES: Final[Message] = {"do": "look at pauses"}
"""The set of paused queues has changed."""
BEAT: Final[Message] = {"do": "beat"}
"""A remote signal waits: the next heartbeat fetches it."""


def cancel_message(jid: str, question: str) -> Message:
    """Return the message that asks a worker to cancel a job, and to answer this question."""
    return {"do": "cancel", "jid": jid, "question": question}


class CancelAnswer(StrEnum):
    """What a worker says when it is asked to cancel a job; the first of these counts that any delivery gives."""

    CANCELLED = "cancelled"
    """It had not begun, or its task was cancelled."""
    TOLD = "told"
    """It runs in a thread, which nobody can interrupt."""
    MOVING = "moving"
    """It is on its way out of this worker: ask again."""
    ABSENT = "absent"
    """It is not here."""


class Control:
    """Tells workers, and takes their answers.

    Args:
        link: any connection; nothing blocks on it.
        scripts: those of the store.
    """

    def __init__(self, link: Link, scripts: Scripts) -> None:
        self._link = link
        self._scripts = scripts

    async def tell(self, message: Message, identities: Sequence[str] = ()) -> list[str]:
        """Send a message and return the identities that live, and so were told; O(number of identities).

        Args:
            message: what to do.
            identities: to whom; all workers if none is named. One that is no worker of ours has no lease, and is left
                out.

        Raises:
            Unavailable, ReplyLost, Refused: as `Link.call`; sending a message again is always safe.
        """
        told = await self._scripts.tell.run(
            self._link,
            (keys.OWNERS, keys.PROCESSES),
            (
                keys.lease(""),
                keys.control(""),
                serialization.dumps(dict(message)),
                keys.CONTROL_TTL,
                _KEPT,
                *identities,
            ),
        )
        return [identity.decode("utf-8", "replace") for identity in told]

    async def answers(self, question: str) -> dict[str, str]:
        """Return the answers to a question so far, by identity."""
        flat = await ask(self._link, "HGETALL", keys.answers(question))
        texts = [word.decode("utf-8", "replace") for word in flat]
        return dict(zip(texts[::2], texts[1::2], strict=True))


class ControlList:
    """The messages to one worker, as it reads and answers them.

    Args:
        wait: a connection that nothing else uses, for it blocks.
        link: any connection, for answers.
        scripts: those of the store.
        identity: whose list it is.
    """

    def __init__(self, wait: Link, link: Link, scripts: Scripts, *, identity: str) -> None:
        self._wait = wait
        self._link = link
        self._scripts = scripts
        self._identity = identity
        self._key = keys.control(identity)

    async def next(self, seconds: float) -> bytes | None:
        """Wait for one message, at most `seconds`; raises as `Link.call`."""
        answer: Any = await self._wait.call("BLPOP", self._key, f"{seconds:.3f}")
        return None if answer is None else answer[1]

    async def clear(self) -> None:
        """Remove whatever took the place of the list."""
        await self._link.call("DEL", self._key)

    async def answer(self, question: str, answer: str) -> None:
        """Answer a question; raises as `Link.call`."""
        await self._scripts.answer.run(
            self._link, (keys.answers(question),), (self._identity, answer, keys.CONTROL_TTL)
        )
