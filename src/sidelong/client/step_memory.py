"""Steps that are remembered in this process: for jobs that run inline, and in tests."""


class StepMemory:
    """Remembers finished steps for as long as it lives; it may be used from several threads and event loops."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, bytes], bytes] = {}

    async def look(self, jid: str, step: bytes, ttl: float) -> bytes | None:
        """Return what is remembered of a step; None if it has not finished."""
        return self._records.get((jid, step))

    async def record(self, jid: str, step: bytes, record: bytes, ttl: float, *, replaces: bool = False) -> bytes:
        """Remember that a step has finished, and return what is remembered: the first record, unless it is replaced."""
        if replaces:
            self._records[jid, step] = record
        return self._records.setdefault((jid, step), record)
