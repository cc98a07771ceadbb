"""Run a job in the caller's own task, as a worker would run it."""

import asyncio
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from sidelong.client.client import Client
from sidelong.client.step_memory import StepMemory
from sidelong.client.steps import Steps
from sidelong.core.context import Context, enter
from sidelong.core.middleware import Chain, compose


async def run_inline(
    item: dict[str, Any],
    client: Client,
    server_chain: Chain,
    target: Callable[[], Callable[..., Any]],
    convert: Callable[[list[Any]], Sequence[Any]],
    *,
    is_async: bool,
) -> Any:
    """Run a payload through client middleware, JSON, server middleware and the job; return the job's result.

    Args:
        item: the payload, complete.
        client: runs the client middleware and checks what may travel.
        server_chain: the server middleware.
        target: returns what to call.
        convert: makes what it takes of the payload's arguments.
        is_async: whether to await the call here; otherwise it runs in a thread.
    """
    payload = await client.rehearse(item)
    if payload is None:
        return None
    result: Any = None

    async def perform(job: dict[str, Any]) -> Any:
        nonlocal result
        call, args = target(), convert(job["args"])
        result = call(*args) if is_async else await asyncio.to_thread(call, *args)
        if inspect.isawaitable(result):
            result = await result
        return result

    async def execute() -> None:
        # Nobody will run this job again under its jid: that its steps have finished need not outlive this call.
        steps = Steps(StepMemory(), client.close)
        enter(Context(payload["jid"], payload["queue"], payload, lambda: False, steps))
        await compose(server_chain, perform)(payload)

    # A task of its own keeps the job's context variables out of the caller's.
    await asyncio.create_task(execute())
    # A middleware may forget to return what the job returned.
    return result
