"""Whether a library that has both takes greenlets or threads: greenlets from a hundred slots on, in every workload.

That is what dramatiq and huey document them for. The standard library must be patched for them before anything else is
imported, so that their programs begin with `greenlets.patch_if_many_slots()`.
"""

import json
import sys

_FROM = 100
"""Slots."""
HAS_GREENLETS = json.loads(sys.argv[2]).get("slots", 0) >= _FROM


def patch_if_many_slots() -> None:
    """Let what the standard library calls threads be greenlets, if there are to be any."""
    if HAS_GREENLETS:
        from gevent import monkey

        monkey.patch_all()
