"""What enqueuing returns."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobRef:
    """A job that was enqueued; `str(ref)` is its id.

    Attributes:
        jid: the job's id, 24 hex characters.
    """

    jid: str

    def __str__(self) -> str:
        return self.jid
