"""`sidelong ctl`: signals for the worker of a pidfile, on this machine.

Scripts that start and stop services call it, so it imports next to nothing.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.flags import Order
from sidelong.cli.pidfile import Holder, held
from sidelong.errors import ConfigurationError

_SIGNALS: Final = {Order.QUIET: signal.SIGTSTP, Order.STOP: signal.SIGTERM, Order.DUMP: signal.SIGTTIN}
_TOLD: Final = {
    Order.QUIET: "is told to fetch no more jobs",
    Order.STOP: "is told to stop",
    Order.DUMP: "is told to log its stacks",
}
_LOOKS_EVERY: Final = 0.05


def control(order: Order, pidfile: Path, *, wait: float | None) -> ExitStatus:
    """Signal the worker that holds a pidfile, and return the exit status.

    Args:
        order: what it is told.
        pidfile: the file it was started with.
        wait: seconds in which it has to end, if it is told to stop; None not to wait.
    """
    try:
        if wait is not None and order is not Order.STOP:
            raise ConfigurationError("--wait goes with stop")
        with held(pidfile) as worker:
            if worker is None:
                left = "is left from one that has ended" if pidfile.exists() else "does not exist"
                return _failed(f"no worker is running: {pidfile} {left}")
            os.kill(worker.pid, _SIGNALS[order])
            sys.stdout.write(f"pid {worker.pid} {_TOLD[order]}\n")
            if wait is not None and not _has_ended(worker, wait):
                return _failed(f"pid {worker.pid} is still running after {wait:g} s")
    except ConfigurationError as error:
        sys.stderr.write(f"sidelong: {error}\n")
        return ExitStatus.MISUSED
    except ProcessLookupError:
        return _failed("no worker is running: it has ended at this moment")
    except OSError as error:
        return _failed(f"the worker of {pidfile} cannot be told: {error.strerror or error}")
    return ExitStatus.DONE


def _has_ended(worker: Holder, within: float) -> bool:
    ends_at = time.monotonic() + within
    # Not the file: it is removed before what the application has left, such as a thread, has ended as well.
    while worker.is_alive:
        if time.monotonic() >= ends_at:
            return False
        time.sleep(_LOOKS_EVERY)
    return True


def _failed(sentence: str) -> ExitStatus:
    sys.stderr.write(f"sidelong: {sentence}\n")
    return ExitStatus.FAILED
