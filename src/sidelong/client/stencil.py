"""The payloads of many jobs of one kind: what they share is written once."""

from collections.abc import Mapping, Sequence
from typing import Any

from sidelong.core.identity import new_jids
from sidelong.core.serialization import dumps
from sidelong.store.pusher import Push


class Stencil:
    """A payload that is written but for what each job fills in: arguments, id and time.

    What it gives is byte for byte what writing the whole payload would give.

    Args:
        options: the options as payloads state them, the queue among them.
        name: the wire name of the job.

    Attributes:
        name: the wire name.
    """

    def __init__(self, options: Mapping[str, Any], name: str) -> None:
        self.name = name
        self._queue: str = options["queue"]
        self._before_args = dumps({**options, "args": None}).removesuffix(b"null}")
        self._before_jid = b',"class":' + dumps(name) + b',"jid":"'

    def pushes(self, arguments: Sequence[bytes], now: float) -> list[Push]:
        """Return one push for each job, whose `arguments` are written already.

        Args:
            arguments: JSON arrays.
            now: when all of them are created and enqueued, in epoch seconds.
        """
        queue, before_args, before_jid = self._queue, self._before_args, self._before_jid
        time = dumps(now)
        rest = b'","created_at":' + time + b',"enqueued_at":' + time + b"}"
        return [
            Push(jid, queue, b"".join((before_args, args, before_jid, jid.encode(), rest)))
            for jid, args in zip(new_jids(len(arguments)), arguments, strict=True)
        ]
