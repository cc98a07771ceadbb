"""What a person reads when a command cannot go on, and the status it ends with."""

import sys

from sidelong.cli.exit_status import ExitStatus
from sidelong.cli.loading import FailedImportError
from sidelong.cli.pidfile import PidfileTakenError
from sidelong.errors import StoreError


def tell_failure(error: Exception) -> ExitStatus:
    """Write one sentence to stderr, below the traceback of user code that failed, and return the exit status."""
    if isinstance(error, FailedImportError):
        sys.stderr.write(error.traceback)
    sys.stderr.write(f"sidelong: {error}\n")
    return status_of(error)


def status_of(error: Exception) -> ExitStatus:
    """Return the exit status after a failure."""
    # What has to be mended first is not worth a restart: a supervisor can tell by the status.
    may_work_later = isinstance(error, FailedImportError | PidfileTakenError | StoreError)
    return ExitStatus.FAILED if may_work_later else ExitStatus.MISUSED
