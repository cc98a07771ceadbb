"""Every fault, by name."""

from collections.abc import Mapping

from tests.chaos.nemeses import clients, clocks, data, forgetting, keys, network, replies, server, steering, workers
from tests.chaos.nemesis import Nemesis

NEMESES: Mapping[str, Nemesis] = {
    nemesis.name: nemesis
    for family in (workers, network, replies, forgetting, clients, server, data, keys, clocks, steering)
    for nemesis in family.NEMESES
}
