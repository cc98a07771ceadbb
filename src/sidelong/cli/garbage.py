"""How often a worker process looks for garbage in cycles; why, and what it gains, is decision 28."""

import gc

_DEFAULTS = (700, 2000)
"""What CPython has for the first generation, until 3.12 and from 3.13 on; another number is somebody's wish."""
_THRESHOLD = 5000


def spare_the_collector() -> None:
    """Take what is loaded by now out of its sight, and let it look once per 5,000 new objects.

    Jobs that wait hold some ten objects each, so that a thousand of them would be looked at again and again, and with
    them every module. What the application has set itself stays.
    """
    if not gc.isenabled() or gc.get_threshold()[0] not in _DEFAULTS:
        return
    gc.collect()
    gc.freeze()
    gc.set_threshold(_THRESHOLD, *gc.get_threshold()[1:])
