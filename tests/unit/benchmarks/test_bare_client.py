import asyncio

import pytest
import uvloop
from benchmarks.bare_client import BareClient

LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


def run(loop, coroutine):
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(asyncio.wait_for(coroutine, 30))


async def answering(answer, use):
    """Return what `use` makes of a client whose commands are answered so, before the connection is closed."""

    async def serve(reader, writer):
        if await reader.readuntil(b"PING\r\n") and answer:
            writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        return await use(await BareClient.connect(f"redis://127.0.0.1:{port}/0"))


@LOOPS
def test_returns_the_answer(loop):
    assert run(loop, answering(b"+PONG\r\n", lambda client: client.call("PING"))) == b"PONG"


@LOOPS
def test_raises_what_redis_refuses(loop):
    with pytest.raises(Exception, match="ERR no"):
        run(loop, answering(b"-ERR no\r\n", lambda client: client.call("PING")))


@LOOPS
def test_a_lost_connection_ends_the_call_that_waits_and_every_later_one(loop):
    async def call_twice(client):
        with pytest.raises(ConnectionError, match="closed the connection"):
            await client.call("PING")
        with pytest.raises(ConnectionError, match="closed the connection"):
            await client.call("PING")

    run(loop, answering(b"", call_twice))
