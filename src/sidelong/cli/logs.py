"""The log of a worker process: one line per record, to stderr."""

import logging
import sys
import time


def configure_logging(verbose: bool) -> None:
    """Send all records from INFO up to stderr, and Sidelong's own from DEBUG up if `verbose`.

    Called before user code is imported, so that an application's own `dictConfig` still has the last word.
    """
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ %(process)d %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    if verbose:
        logging.getLogger("sidelong").setLevel(logging.DEBUG)
