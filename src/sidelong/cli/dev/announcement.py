"""What `sidelong dev` says of itself as it starts, and again after a change."""

import importlib.metadata
import logging
import platform

from sidelong.app import Sidelong
from sidelong.cli.banner import described, warn_of_jobs
from sidelong.cli.dev.options import HostOrder
from sidelong.cli.dev.redis_choice import EMBEDDED, Choice
from sidelong.cli.dev.servers import HttpServer
from sidelong.cli.dev.sources import Source
from sidelong.cli.dev.watched import shown_path
from sidelong.cli.event_loop import EventLoop
from sidelong.core.counted import counted
from sidelong.core.logs.message import Advice
from sidelong.settings import environment_and_file, oversights
from sidelong.worker.worker import Worker

logger = logging.getLogger("sidelong.cli")


def announce(
    order: HostOrder, app: Sidelong, worker: Worker, choice: Choice, servers: list[HttpServer], event_loop: EventLoop
) -> None:
    """Log what runs here, where it can be reached, and what to do about it."""
    jobs = counted(len(app.registry), "job")
    if order.is_first:
        version = importlib.metadata.version("sidelong")
        python = f"{platform.python_implementation()} {platform.python_version()}"
        environment, file = environment_and_file()
        settings = "" if file is None else f", settings from {shown_path(file)}"
        logger.info("Sidelong %s on %s with %s, environment %s", version, python, event_loop.name, environment)
        logger.info("App      %s with %s%s", order.run.target, jobs, settings)
        for capsule in worker.capsules:
            logger.info("Worker   %s at once from %s", counted(capsule.concurrency, "job"), described(capsule))
        _tell_of_redis(choice)
        for server in servers:
            is_pages = server.source is Source.WEB
            logger.info("%s  %s", "Web UI " if is_pages else "Web app", server.address)
        logger.info("%s. Ctrl-C ends all", order.watches or "Nothing is watched")
    else:
        logger.info("Running again with %s, Redis %s", jobs, _named(choice))
    warn_of_jobs(app, worker)
    for sentence in oversights():
        logger.warning(Advice(f"Settings: {sentence}"))


def _tell_of_redis(choice: Choice) -> None:
    if choice.reason:
        logger.warning("Redis    the embedded store, inside this process: %s", choice.reason)
    elif choice.is_elsewhere:
        logger.warning("Redis    %s, not on this machine: jobs that others enqueue there are run here", choice.address)
    else:
        logger.info("Redis    %s", _named(choice))


def _named(choice: Choice) -> str:
    return "inside this process (the embedded store)" if choice.address == EMBEDDED else choice.address
