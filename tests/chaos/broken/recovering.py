"""Recovery that jumps to conclusions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.chaos.broken.patches import replace


def recover_at_first_sight() -> None:
    """Take whoever has no lease for dead at once, without grace and without doubt in Redis or in oneself."""

    async def look(recovery: Any) -> None:
        sighting = await recovery._owners.look(by=recovery._identity)
        for identity in dict.fromkeys((*sighting.missing, *sighting.holding)):
            await recovery._recover(identity, is_death=identity in sighting.missing)

    replace("sidelong.worker.recovery:Recovery.look", look)


def blame_everyone() -> None:
    """Count a death against every job that the dead process had, and let none of them run alone."""

    def is_blamed(recovery: Any, raw: bytes, blame: Any) -> bool:
        return True

    @asynccontextmanager
    async def admit(suspects: Any, jid: str, crashes: int) -> AsyncIterator[None]:
        yield

    replace("sidelong.worker.recovery:Recovery._is_blamed", is_blamed)
    replace("sidelong.worker.suspects:Suspects.admit", admit)
