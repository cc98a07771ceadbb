"""What a worker process says of itself when it starts."""

import importlib.metadata
import logging
import os
import platform

from sidelong.app import Sidelong
from sidelong.cli.event_loop import EventLoop
from sidelong.core.config import Capsule
from sidelong.core.counted import counted
from sidelong.core.logs.message import Advice
from sidelong.worker.worker import Worker

logger = logging.getLogger("sidelong.cli")


def log_banner(app: Sidelong, worker: Worker, target: str, event_loop: EventLoop) -> None:
    """Log who serves what, from where and how; and warn of jobs that would wait for ever."""
    version = importlib.metadata.version("sidelong")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    logger.info("Sidelong %s on %s with %s, pid %d", version, python, event_loop.name, os.getpid())
    logger.info("App %s with %s, Redis %s", target, counted(len(app.registry), "job"), app.store.address)
    for capsule in worker.capsules:
        name = "" if capsule.name == "default" else f" in capsule {capsule.name}"
        logger.info("Serving %s at once%s from %s", counted(capsule.concurrency, "job"), name, described(capsule))
    logger.info("TERM or Ctrl-C stops it and gives running jobs %g s; TTIN logs all stacks", worker.config.timeout)
    warn_of_jobs(app, worker)


def warn_of_jobs(app: Sidelong, worker: Worker) -> None:
    """Warn if the app has no jobs, or has some that the worker never gets."""
    if not len(app.registry):
        logger.warning(Advice("The app has no jobs: whatever is fetched fails as unknown and is tried again later"))
    served = {name for capsule in worker.capsules for name, _ in capsule.queues}
    if left_out := [name for name in app.registry.queues() if name not in served]:
        logger.warning(Advice(f"Not served here, though jobs of the app go there: {', '.join(left_out)}"))


def described(capsule: Capsule) -> str:
    """Return the queues of a capsule, and in which order they are served."""
    if len(capsule.queues) == 1:
        return f"queue {capsule.queues[0][0]}"
    weights = {weight for _, weight in capsule.queues}
    if weights == {0}:
        return f"queues {', '.join(name for name, _ in capsule.queues)} (in this order)"
    if weights == {1}:
        return f"queues {', '.join(name for name, _ in capsule.queues)} (equal shares)"
    return f"queues {', '.join(f'{name} (weight {weight})' for name, weight in capsule.queues)}"
