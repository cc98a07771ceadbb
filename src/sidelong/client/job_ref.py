"""What enqueuing returns."""

import msgspec


class JobRef(msgspec.Struct, frozen=True):
    """A job that was enqueued; `str(ref)` is its id.

    Attributes:
        jid: the job's id, 24 hex characters.
    """

    jid: str

    def __str__(self) -> str:
        return self.jid
