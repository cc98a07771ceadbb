import re

import pytest

from sidelong.web import dashboard
from tests.support.browser import Browser

pytestmark = pytest.mark.parametrize("site", ["memory"], indirect=True)


def fastapi(pages):
    from fastapi import FastAPI

    host = FastAPI()
    host.mount("/admin/sidelong", pages)
    return host


def starlette(pages):
    from starlette.applications import Starlette
    from starlette.routing import Mount

    return Starlette(routes=[Mount("/admin/sidelong", pages)])


def litestar(pages):
    from litestar import Litestar, asgi

    return Litestar([asgi("/admin/sidelong", is_mount=True, copy_scope=True)(pages)])


def django(pages):
    """Django has no mounts: one line of its `asgi.py` says which paths are whose."""

    async def others(scope, receive, send):
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def host(scope, receive, send):
        prefix = "/admin/sidelong"
        is_ours = scope["path"] == prefix or scope["path"].startswith(f"{prefix}/")
        await (pages({**scope, "root_path": prefix}, receive, send) if is_ours else others(scope, receive, send))

    return host


@pytest.mark.parametrize("host", [fastapi, starlette, litestar, django])
async def test_it_is_mounted_under_a_prefix_with_and_without_a_slash(host, app, site):
    site.push("A")
    async with Browser(host(dashboard(app, auth=None))) as browser:
        for path in ("", "/", "/queues", "/queues/", "/queues/default"):
            page = await browser.get(f"/admin/sidelong{path}", follow_redirects=True)
            addresses = re.findall(r'(?:href|src|action|data-stream|data-poll)="(/[^"]*)"', page.text)
            assert page.status_code == 200, path
            assert all(address.startswith("/admin/sidelong/") for address in addresses), addresses
            for address in set(addresses):
                if "stream" not in address and "state" not in address:
                    assert (await browser.get(address.replace("&amp;", "&"))).status_code == 200, address
        done = await browser.act("/admin/sidelong/queues/default/state", {"action": "pause"})

    assert done.url.path == "/admin/sidelong/queues"
    assert "Queue paused." in done.text


async def test_a_server_may_cut_the_prefix_and_say_so(app):
    async with Browser(dashboard(app, auth=None)) as browser:
        browser._transport.root_path = "/jobs"
        page = await browser.get("/queues")

    assert 'href="/jobs/retries"' in page.text


async def test_a_prefix_is_taken_out_once(app):
    async with Browser(dashboard(app, auth=None)) as browser:
        browser._transport.root_path = "/jobs"
        once, twice = await browser.get("/jobs/queues"), await browser.get("/jobs/jobs/queues")

    assert (once.status_code, twice.status_code) == (200, 404)
    assert 'href="/jobs/retries"' in once.text


@pytest.mark.parametrize("prefix", ["//evil.example", "/a\\b", "/a b", "evil"])
async def test_a_prefix_that_would_lead_elsewhere_is_not_used(prefix, app):
    async with Browser(dashboard(app, auth=None)) as browser:
        browser._transport.root_path = prefix
        page = await browser.get("/queues")

    assert 'href="/retries"' in page.text
