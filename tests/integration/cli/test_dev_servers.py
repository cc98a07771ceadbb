"""The HTTP servers of `sidelong dev`, in this process."""

import asyncio
import logging
import os
import socket

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sidelong.cli.dev.servers import HttpServer, StartFailedError, pages_host
from sidelong.cli.dev.sources import DevFilter, Source, source_of
from sidelong.cli.event_loop import EventLoop

WITHIN = 60


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def serve(listener):
    """Makes a server of the socket, as a host does that has inherited it."""

    def serve(application, source=Source.APP, patience=1):
        return HttpServer(application, source, os.dup(listener.fileno()), patience=patience)

    return serve


async def until_it_ends(task):
    async with asyncio.timeout(WITHIN):
        await task


async def test_it_serves_until_it_is_stopped_and_leaves_the_socket_to_the_next(serve):
    for answer in ("old", "new"):
        routes = [Route("/", lambda request, answer=answer: PlainTextResponse(answer))]
        server = serve(Starlette(routes=routes))
        # One that comes before anybody serves waits.
        async with httpx.AsyncClient() as client:
            asking = asyncio.create_task(client.get(server.address, timeout=WITHIN))
            serving = server.start()
            assert (await asking).text == answer
        server.stop()
        await until_it_ends(serving)


@pytest.mark.parametrize("is_told_first", [False, True])
async def test_a_request_that_lasts_ends_once_there_is_a_hurry(serve, is_told_first):
    began, ended = asyncio.Event(), asyncio.Event()

    async def last(request):
        began.set()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    server = serve(Starlette(routes=[Route("/", last)]), patience=3600)
    serving = server.start()
    async with httpx.AsyncClient() as client:
        asking = asyncio.create_task(client.get(server.address, timeout=WITHIN))
        await began.wait()
        if is_told_first:
            server.stop()
            await asyncio.wait({serving}, timeout=0.5)
            assert not ended.is_set()
        server.hurry()
        server.stop()

        await until_it_ends(serving)
        await asyncio.wait({asking})
    assert ended.is_set()


@pytest.mark.parametrize("is_hurried", [False, True])
async def test_an_application_that_does_not_come_to_start_is_broken_off(serve, is_hurried):
    starting = asyncio.Event()

    async def hang(scope, receive, send):
        starting.set()
        await asyncio.sleep(3600)

    server = serve(hang, patience=3600 if is_hurried else 0.05)
    serving = server.start()
    await starting.wait()

    server.stop()
    if is_hurried:
        server.hurry()

    await until_it_ends(serving)


async def test_a_web_app_that_does_not_start_is_told_with_its_traceback(serve, caplog):
    async def fail(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "Traceback ...\nRuntimeError: no database"})

    with caplog.at_level("ERROR", "uvicorn.error"), pytest.raises(StartFailedError):
        await until_it_ends(serve(fail).start())

    assert any("no database" in message for message in caplog.messages)


@pytest.mark.parametrize("kind", ["asyncio", "uvloop"])
def test_what_a_request_logs_is_marked_on_each_event_loop(serve, kind):
    seen = {}

    class Notes(logging.Handler):
        def emit(self, record):
            seen[record.name] = (source_of(record), DevFilter().filter(record))

    def view(request):
        logging.getLogger("shop").warning("hello")
        return PlainTextResponse("hello")

    async def ask(server):
        serving = server.start()
        async with httpx.AsyncClient() as client:
            await client.get(server.address, timeout=WITHIN)
        server.stop()
        await until_it_ends(serving)

    def run(source):
        with asyncio.Runner(loop_factory=loop_factory(kind)) as runner:
            runner.run(ask(serve(Starlette(routes=[Route("/", view)]), source)))

    handler = Notes()
    access = logging.getLogger("uvicorn.access")
    logging.getLogger().addHandler(handler)
    access.setLevel("INFO")
    try:
        run(Source.APP)
        assert seen["shop"] == seen["uvicorn.access"] == (Source.APP, True)
        run(Source.WEB)
        assert seen["uvicorn.access"] == (Source.WEB, False)
    finally:
        logging.getLogger().removeHandler(handler)
        access.setLevel("NOTSET")


def loop_factory(kind):
    if kind == "asyncio":
        return asyncio.SelectorEventLoop
    return EventLoop("uvloop", pytest.importorskip("uvloop").new_event_loop).make


@pytest.mark.parametrize(
    ("host", "password", "expected"),
    [
        ("127.0.0.1", "", "127.0.0.1"),
        ("::1", "", "::1"),
        ("0.0.0.0", "", "127.0.0.1"),
        ("0.0.0.0", "secret", "0.0.0.0"),
    ],
)
def test_without_credentials_nobody_else_can_reach_the_pages(monkeypatch, host, password, expected):
    monkeypatch.delenv("SIDELONG_WEB_USERNAME", raising=False)
    monkeypatch.setenv("SIDELONG_WEB_PASSWORD", password)

    assert pages_host(host) == expected
