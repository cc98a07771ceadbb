"""Names of queues that nothing knows: most likely misspelt, and then a watch over them would never raise an alarm."""

from collections.abc import Sequence

from sidelong.api import ProcessSet
from sidelong.app import Sidelong
from sidelong.core.setting_checks import did_you_mean


async def unknown_queues(app: Sidelong, names: Sequence[str], known: Sequence[str]) -> list[tuple[str, str]]:
    """Return those that are no queue, and that no process serves either, each with the end of a sentence about it.

    Args:
        app: whose Redis it is.
        names: as the command line gives them.
        known: names of the queues to which something was enqueued.
    """
    strange = [name for name in dict.fromkeys(names) if name not in known]
    if not strange:
        return []
    served = {queue async for process in ProcessSet(app) for queue in process.queues}
    return [(name, did_you_mean(name, [*known, *served])) for name in strange if name not in served]
