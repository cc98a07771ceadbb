"""The two ways in which the jobs of an app are taken in a test: kept, or run at once."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sidelong.app import Sidelong
from sidelong.client.client import Client
from sidelong.client.registry import Registry
from sidelong.core.middleware import Chain, Middleware
from sidelong.testing.blocks import Block
from sidelong.testing.decorating import block_of_code
from sidelong.testing.jobs import Jobs
from sidelong.testing.runner import Runner

ServerMiddleware = bool | Iterable[Middleware]
"""Whether the server middleware of the app runs around jobs, or what runs in its place."""


@block_of_code
def fake(app: Sidelong, *, server_middleware: ServerMiddleware = False) -> Iterator[Jobs]:
    """Keep the jobs that an app enqueues, and run none of them.

    What enqueues does all that it would do for a worker: arguments are bound, checked and written as JSON, and client
    middleware runs. Nothing is sent to Redis.

    The block belongs to the app, not to a thread. A push goes to the innermost block of the app that the task or
    thread it comes from was started in; what was started outside of any, such as the thread of a server, pushes to the
    one that is open.

    Args:
        app: whose jobs are kept.
        server_middleware: True to have its server middleware around jobs that the test runs, or other middleware.

    Yields:
        What was enqueued.
    """
    chain = chain_of(app.server_middleware, server_middleware)
    with opened(app.client, app.registry, chain, is_inline=False) as (jobs, _):
        yield jobs


@block_of_code
def inline(app: Sidelong, *, server_middleware: ServerMiddleware = False) -> Iterator[Jobs]:
    """Run each job that an app enqueues at once: `enqueue` returns when it has ended, and raises what it raised.

    A job for a later time waits for it (see `Jobs.travel`), and one that the app does not have is kept, as it is for
    workers elsewhere. Which block takes a push, and all else, is as in `fake`.

    Args:
        app: whose jobs are run.
        server_middleware: True to have its server middleware around them, or other middleware.

    Yields:
        What was enqueued.
    """
    chain = chain_of(app.server_middleware, server_middleware)
    with opened(app.client, app.registry, chain, is_inline=True) as (jobs, _):
        yield jobs


@contextmanager
def opened(client: Client, registry: Registry, chain: Chain, *, is_inline: bool) -> Iterator[tuple[Jobs, Runner]]:
    """Take the pushes of a client, and yield them with what runs them.

    Args:
        client: whose pushes are taken.
        registry: the jobs that can be run.
        chain: runs around them.
        is_inline: whether they run at once.
    """
    block = Block(client)
    runner = Runner(block, registry, chain)
    jobs = Jobs(block, runner, registry, is_inline=is_inline)
    try:
        with block.open(jobs.receive):
            yield jobs, runner
    finally:
        runner.close()


def chain_of(of_app: Chain, asked_for: ServerMiddleware) -> Chain:
    """Return the server middleware that was asked for.

    Args:
        of_app: that of the app.
        asked_for: whether it is wanted, or what runs in its place.
    """
    if isinstance(asked_for, bool):
        return of_app if asked_for else Chain()
    return Chain(asked_for)
