"""One test, or more, for each row of the threat model."""

import asyncio
import base64
import logging
import re

import httpx
import pytest

from sidelong import ConfigurationError
from sidelong.web import BasicAuth, dashboard
from sidelong.web.application import Dashboard
from tests.support.browser import Browser

# None of this depends on the store.
pytestmark = pytest.mark.parametrize("site", ["memory"], indirect=True)

OWN = {"Sec-Fetch-Site": "same-origin"}
PAGES = ("/", "/busy", "/queues", "/scheduled", "/retries", "/dead", "/metrics", "/redis")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def basic(username, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


async def pause(pages, path="/queues/default/state", **headers):
    return await pages.post(path, data={"action": "pause"}, headers=headers)


# Who asks


def test_auth_must_be_said(site, app):
    with pytest.raises(TypeError, match="auth"):
        dashboard(app)


@pytest.mark.parametrize("header", [None, "", "Basic", "Basic !!!", "Basic YQ==", "Bearer x", "Basic " + "QUFB" * 2500])
async def test_a_missing_or_garbled_credential_is_refused(header, open_pages):
    pages = open_pages(auth=BasicAuth("ada", "secret"))

    answer = await pages.get("/", headers={"Authorization": header} if header is not None else {})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize(
    ("username", "password"), [("ada", "wrong"), ("eve", "secret"), ("", ""), ("ada", "secret "), ("ä" * 10_000, "x")]
)
async def test_a_wrong_user_and_a_wrong_password_get_the_same_answer(username, password, open_pages):
    pages = open_pages(auth=BasicAuth("ada", "secret"))
    nobody = await pages.get("/")

    answer = await pages.get("/", headers=basic(username, password))

    assert (answer.status_code, answer.content) == (401, nobody.content)


async def test_what_is_no_utf_8_is_compared_as_bytes(open_pages):
    pages = open_pages(auth=BasicAuth("ada", "geheim-ß"))

    wrong = await pages.get("/", headers={"Authorization": "Basic " + base64.b64encode(b"ada:\xff\xfe").decode()})
    right = await pages.get("/", headers=basic("ada", "geheim-ß"))

    assert (wrong.status_code, right.status_code) == (401, 200)


async def test_nothing_is_shown_without_credentials(open_pages):
    pages = open_pages(auth=BasicAuth("ada", "secret"))

    answers = {path: (await pages.get(path)).status_code for path in (*PAGES, "/figures", "/static/x/style.css", "/no")}

    assert set(answers.values()) == {401}


async def test_a_function_may_say_who_asks_or_answer_itself(open_pages):
    from starlette.responses import RedirectResponse

    async def auth(request):
        if request.headers.get("x-user") == "login":
            return RedirectResponse("/login")
        return request.headers.get("x-user")

    pages = open_pages(auth=auth)

    statuses = [(await pages.get("/", headers={"x-user": user})).status_code for user in ("ada", "", "login")]

    assert statuses == [200, 401, 307]


async def test_credentials_come_from_the_environment(monkeypatch, open_pages):
    with pytest.raises(ConfigurationError, match="SIDELONG_WEB_PASSWORD"):
        BasicAuth.from_environment()
    monkeypatch.setenv("SIDELONG_WEB_USERNAME", "ada")
    monkeypatch.setenv("SIDELONG_WEB_PASSWORD", "secret")

    pages = open_pages(auth=BasicAuth.from_environment())

    assert (await pages.get("/", headers=basic("ada", "secret"))).status_code == 200
    assert "secret" not in repr(BasicAuth.from_environment())


# From where


@pytest.mark.parametrize("site_header", ["cross-site", "same-site", "none", "", "same-origin, cross-site"])
async def test_a_form_of_another_site_changes_nothing(site_header, pages, site):
    answer = await pause(pages, **{"Sec-Fetch-Site": site_header})

    assert answer.status_code == 403
    assert site.client.exists("paused") == 0


async def test_a_header_that_stands_there_twice_is_not_believed(pages, site):
    headers = [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")]

    answer = await pages.post("/queues/default/state", data={"action": "pause"}, headers=headers)

    assert answer.status_code == 403


async def test_a_form_of_our_own_acts(pages, site):
    answer = await pause(pages, **OWN)

    assert answer.status_code == 303
    assert site.client.smembers("paused") == {b"default"}


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("lan-box", "http://lan-box", 303),
        ("lan-box:8000", "http://lan-box:8000", 303),
        ("LAN-box", "https://lan-BOX:443", 303),
        ("[::1]:80", "http://[::1]", 303),
        ("10.0.0.7:8000", "http://10.0.0.7:8000", 303),
        ("lan-box:8000", "http://lan-box", 403),
        ("lan-box", "http://lan-box.evil.example", 403),
        ("lan-box", "http://evil.example", 403),
        ("lan-box", "http://lan-box@evil.example", 403),
        ("lan-box", "null", 403),
        ("lan-box", "", 403),
        ("lan-box", "lan-box", 403),
        ("lan-box", "file://lan-box", 403),
    ],
)
async def test_without_sec_fetch_site_the_origin_must_be_the_host(host, origin, status, open_pages, site):
    pages = open_pages(allowed_hosts=["*"])

    answer = await pause(pages, Host=host, Origin=origin)

    assert answer.status_code == status
    assert site.client.exists("paused") == (status == 303)


async def test_an_origin_may_be_configured_for_a_proxy_that_changes_the_host(open_pages):
    pages = open_pages(allowed_origins=["https://admin.example.org"])

    assert (await pause(pages, Origin="https://admin.example.org")).status_code == 303
    assert (await pause(pages, Origin="https://admin.example.com")).status_code == 403


async def test_a_program_must_bring_its_credentials_with_the_request(open_pages):
    pages = open_pages(auth=BasicAuth("ada", "secret"))

    with_credentials = await pause(pages, **basic("ada", "secret"))
    with_cookie = await pause(open_pages(auth=lambda request: request.cookies.get("user")), Cookie="user=ada")
    with_nothing = await pause(open_pages())

    assert [answer.status_code for answer in (with_credentials, with_cookie, with_nothing)] == [303, 403, 403]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "BREW"])
async def test_only_post_changes_anything(method, pages, site):
    answer = await pages.request(method, "/queues/default/state?action=pause", headers=OWN)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert site.client.exists("paused") == 0


async def test_an_unknown_method_on_a_page_is_told_what_is_allowed(pages):
    answer = await pages.request("OPTIONS", "/retries")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


# Under which name


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "127.0.0.1.evil", "a b", "localhost:x"])
async def test_another_name_that_leads_to_an_open_loopback_address_is_refused(host, pages):
    assert (await pages.get("/", headers={"Host": host})).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1:9000", "[::1]", "[::1]:9000"])
async def test_names_of_the_loopback_interface_are_allowed(host, pages):
    assert (await pages.get("/", headers={"Host": host})).status_code == 200


async def test_names_may_be_given(open_pages):
    pages = open_pages(allowed_hosts=["jobs.example.org", "jobs.local:8000"])

    hosts = ["jobs.example.org", "jobs.example.org:444", "jobs.local:8000", "jobs.local:8001", "localhost"]
    answers = [(await pages.get("/", headers={"Host": host})).status_code for host in hosts]

    assert answers == [200, 200, 200, 400, 400]


@pytest.mark.parametrize(
    "wrong",
    [
        *({"allowed_hosts": "localhost"}, {"allowed_hosts": ["a b"]}, {"app_url": "javascript:x"}),
        *({"allowed_origins": [origin]} for origin in ("admin.example.org", "https://admin.example.org/", "null", "")),
        *({"allowed_origins": [origin]} for origin in ("https://Admin.example.org", "ftp://a.example", "https://[")),
    ],
)
def test_arguments_that_cannot_work_are_refused(wrong, app):
    with pytest.raises(ConfigurationError):
        dashboard(app, auth=None, **wrong)


async def test_forwarded_headers_are_not_believed(pages):
    answer = await pages.get(
        "/queues",
        headers={"X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "//evil", "X-Forwarded-Proto": "https"},
    )

    assert "evil" not in answer.text


# What the browser is told


@pytest.mark.parametrize("path", [*PAGES, "/nothing", "/queues/nothing"])
async def test_every_page_forbids_what_it_does_not_need(path, pages):
    headers = (await pages.get(path)).headers

    assert headers["content-security-policy"] == POLICY
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", PAGES)
async def test_no_page_has_a_script_or_style_of_its_own(path, pages):
    html = (await pages.get(path)).text

    assert re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", html) is None


async def test_assets_come_from_a_table(pages):
    home = (await pages.get("/")).text
    (sheet,) = re.findall(r'href="([^"]+style\.css)"', home)

    found = await pages.get(sheet)
    others = [sheet.replace("style.css", name) for name in ("..%2F__init__.py", "nothing.css", "style.css%00")]

    assert (found.status_code, found.headers["x-content-type-options"]) == (200, "nosniff")
    assert found.headers["content-type"].startswith("text/css")
    assert {(await pages.get(other)).status_code for other in others} == {404}


# What an address may ask for


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/queues/../../etc/passwd",
            "/queues/%2e%2e/%2e%2e/etc/passwd",
            "/queues/%00",
            "//",
            "//queues",
            "/queues//x",
        ),
        *(
            "/queues/" + "a" * 8192,
            "/queues/unknown",
            "/queues/~",
            "/queues/~!!",
            "/retries/x",
            "/retries/1-x",
            "/nope",
        ),
    ],
)
async def test_what_is_not_there_is_not_found(path, pages):
    assert (await raw_get(pages, path)).status_code == 404


async def raw_get(pages, path):
    # httpx would resolve dots and double slashes.
    url = httpx.URL("http://localhost/").copy_with(raw_path=path.encode())
    return await pages.send(httpx.Request("GET", url))


@pytest.mark.parametrize(
    "query",
    [
        *("days=999999999", "days=-1", "days=abc", "days=7&days=90", "days=%D9%A3", "days=" + "9" * 5000),
        *("count=1e9", "count=999999999999", "count=0", "page=-1", "page=abc", "page=99999999", "page=1&page=2"),
        *("from=99999999999999&text=x", "order=x", "said=x.y", "said=<script>", "at=zz", "at=999999999999"),
    ],
)
@pytest.mark.parametrize("path", PAGES)
async def test_odd_parameters_are_made_sound(path, query, pages, site):
    site.client.zadd("retry", {b'{"class":"A","args":[],"jid":"a"}': 1.0})

    assert (await pages.get(f"{path}?{query}")).status_code == 200
    site.client.delete("retry")


async def test_a_query_that_is_too_long_is_refused(pages):
    assert (await pages.get("/?x=" + "a" * 10_000)).status_code == 400


# Where an action leads


@pytest.mark.parametrize(
    "way_back",
    [
        *(
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "\\/evil",
            "/queues\r\nX: y",
            "javascript:alert(1)",
        ),
        *(
            "/../evil",
            "/queues?x=\u2028",
            "/queues#x",
            "http:evil",
            "/ /evil",
            "///evil",
            "",
            "/%0d%0aX:y\n",
            "a" * 9000,
        ),
    ],
)
async def test_after_an_action_the_browser_stays_here(way_back, pages):
    headers = {**OWN, "Referer": "https://evil.example/"}
    answer = await pages.post("/queues/default/state", data={"action": "pause", "return": way_back}, headers=headers)

    assert answer.status_code == 303
    assert answer.headers["location"] == "/queues?said=pause"


async def test_after_an_action_the_page_is_as_it_was_filtered(pages):
    form = {"action": "pause", "return": "/queues?page=2&text=a%26b&said=old.1"}
    answer = await pages.post("/queues/default/state", data=form, headers=OWN)

    assert answer.headers["location"] == "/queues?page=2&text=a%26b&said=pause"


# What a request may bring


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(pages):
    answer = await pages.post(
        "/retries",
        content=b"",
        headers={
            **OWN,
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": "1000000000",
        },
    )

    assert answer.status_code == 413


async def test_a_body_that_turns_out_to_be_too_large_is_not_read_to_its_end(pages):
    read = 0

    async def endless():
        nonlocal read
        while True:
            read += 1
            yield b"key=1&" * 10_000

    headers = {**OWN, "Content-Type": "application/x-www-form-urlencoded"}
    answer = await pages.post("/retries", content=endless(), headers=headers)

    assert answer.status_code == 413
    assert read < 100


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken", 415),
        ("text/plain", b"action=delete", 415),
        ("", b"action=delete", 415),
        ("application/x-www-form-urlencoded", b"action=\xff\xfe", 400),
        ("application/x-www-form-urlencoded", b"action=%ff", 400),
        ("application/x-www-form-urlencoded", b"action=explode", 400),
        ("application/x-www-form-urlencoded", b"", 400),
        ("application/x-www-form-urlencoded", b"action=delete&" + b"key=1-a&" * 100_000, 400),
        ("application/x-www-form-urlencoded", b"action=delete" + b"".join(b"&key=1-%d" % n for n in range(150)), 400),
    ],
)
async def test_a_body_that_is_no_form_of_ours_changes_nothing(content_type, body, status, pages, site):
    site.client.zadd("retry", {b"{}": 1.0})

    answer = await pages.post("/retries", content=body, headers={**OWN, "Content-Type": content_type})

    assert answer.status_code == status
    assert site.client.zcard("retry") == 1
    site.client.delete("retry")


async def test_a_body_that_comes_too_slowly_is_given_up(pages, monkeypatch):
    monkeypatch.setattr("sidelong.web.security.bodies._WITHIN", 0.05)

    async def slow():
        yield b"action="
        await asyncio.sleep(60)

    headers = {**OWN, "Content-Type": "application/x-www-form-urlencoded"}

    assert (await pages.post("/retries", content=slow(), headers=headers)).status_code == 408


@pytest.mark.parametrize(
    "key", ["abc", "1e400-x", "-", "nan-x", "1-!", "9" * 5000 + "-x", "Infinity-x", "1.5--", "\x00"]
)
async def test_keys_that_name_nothing_are_gone(key, pages):
    answer = await pages.act("/retries", {"action": "retry", "key": key})

    assert answer.status_code == 200
    assert "Already gone" in answer.text


# Other protocols


async def test_a_websocket_is_closed(app):
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b""}
    await dashboard(app, auth=None)(scope, receive, send)

    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_http_1_0_without_a_host_is_answered(open_pages):
    application = dashboard_of(open_pages(allowed_hosts=["*"]))
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "http_version": "1.0", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    await application(scope, receive, send)

    assert sent[0]["status"] == 200


def dashboard_of(browser: Browser) -> Dashboard:
    application: Dashboard = browser._transport.app
    return application


async def test_head_is_answered(pages):
    assert (await pages.head("/")).status_code == 200


@pytest.mark.parametrize("path", ["/figures/stream", "/api/stats/stream"])
async def test_head_of_what_is_streamed_is_answered_at_once(path, pages):
    async with asyncio.timeout(5):
        answer = await pages.head(path)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_it_opens_and_closes_with_a_server_that_tells(app):
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent = []

    async def receive():
        return next(messages)

    async def send(message):
        sent.append(message["type"])

    await dashboard(app, auth=None)({"type": "lifespan"}, receive, send)

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


# Who may what, and who did what


async def test_read_only_pages_offer_and_allow_nothing(open_pages, site):
    site.push("A")
    pages = open_pages(read_only=True)

    shown = await pages.get("/queues")
    answer = await pause(pages, **OWN)

    assert "<button name=" not in shown.text
    assert answer.status_code == 403
    assert site.client.exists("paused") == 0


async def test_roles_may_be_told_apart(open_pages, site):
    asked = []

    async def can(request, action, target):
        asked.append((action, target))
        return action == "view" and target != "dead"

    pages = open_pages(authorize=can)

    statuses = [(await pages.get(path)).status_code for path in ("/retries", "/dead")]
    refused = await pause(pages, **OWN)

    assert statuses == [200, 403]
    assert refused.status_code == 403
    assert {("view", "retries"), ("view", "dead"), ("pause", "queues/default")} <= set(asked)
    assert site.client.exists("paused") == 0


async def test_every_action_stands_in_the_audit_log(open_pages, caplog):
    caplog.set_level(logging.INFO, "sidelong.audit")
    pages = open_pages(
        auth=lambda request: "ada\nroot: forged", authorize=lambda request, action, target: action != "clear"
    )

    await pages.act("/queues/default/state", {"action": "pause"})
    await pages.act("/queues/default/state", {"action": "clear"})

    lines = [record.getMessage() for record in caplog.records if record.name == "sidelong.audit"]
    assert lines == [
        r"ada\nroot: forged: pause queues/default: done (from 127.0.0.1)",
        r"ada\nroot: forged: clear queues/default: refused (from 127.0.0.1)",
    ]
