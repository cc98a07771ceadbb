"""What an operator may do to connections and scripts."""

import random

from tests.chaos.nemesis import Nemesis
from tests.chaos.site import Site


def kill_clients(site: Site, chance: random.Random) -> None:
    """CLIENT KILL: every connection at once."""
    with site.redis_lock, site.client() as client:
        client.execute_command("CLIENT KILL TYPE normal")


def pause_clients(site: Site, chance: random.Random) -> None:
    """CLIENT PAUSE: nobody is answered for a while."""
    seconds = chance.choice((0.5, 5.0))
    with site.redis_away():
        with site.client() as client:
            client.execute_command("CLIENT PAUSE", int(seconds * 1000), "ALL")
        site.wait(seconds)


def unblock_clients(site: Site, chance: random.Random) -> None:
    """CLIENT UNBLOCK: every parked wait ends, with an error or as if its time had come."""
    with site.redis_lock, site.client() as client:
        for _ in range(10):
            for found in client.client_list():
                if "b" in found["flags"]:
                    client.execute_command("CLIENT UNBLOCK", found["id"], chance.choice(("ERROR", "TIMEOUT")))
            site.wait(0.02)


def flush_scripts(site: Site, chance: random.Random) -> None:
    """SCRIPT FLUSH."""
    with site.redis_lock, site.client() as client:
        client.script_flush()


NEMESES = (
    Nemesis(name="client-kill", strike=kill_clients, times=20),
    Nemesis(name="client-pause", strike=pause_clients, times=3, lasts=5.0),
    Nemesis(name="client-unblock", strike=unblock_clients, times=10),
    Nemesis(name="script-flush", strike=flush_scripts, times=20),
)
