"""What autoscalers go by."""

from dataclasses import asdict
from typing import Annotated, Final

from msgspec import Meta, Struct

from sidelong.features.scaling import read_scale
from sidelong.web.api.endpoint import endpoint
from sidelong.web.api.parameters import Text
from sidelong.web.visit import Visit


class ScaleFigures(Struct, kw_only=True):
    """How many workers are needed.

    Attributes:
        latency: seconds for which the job has waited that has waited longest of those to be fetched next.
        queued: jobs that wait.
        active: jobs that run.
        capacity: how many can run at once.
        load: `(active + queued) / capacity`; null where nothing can run.
    """

    latency: float
    queued: int
    active: int
    capacity: int
    load: float | None


class ScaledQueues(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which queues are meant.

    Attributes:
        queue: their names, and with them the processes that serve one of them; all if none is given.
    """

    queue: Annotated[list[Text], Meta(max_length=100)] = []


async def get_scale(visit: Visit, query: ScaledQueues) -> ScaleFigures:
    """Tell what autoscalers go by."""
    scale = await read_scale(visit.site.app, query.queue)
    return ScaleFigures(**asdict(scale))


SCALE: Final = endpoint("GET", "/scale", "scale", get_scale)
