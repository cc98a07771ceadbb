"""What others add to the pages: tabs, rows of a job, and how arguments are shown."""

import logging

import pytest
from msgspec import Struct
from starlette.responses import HTMLResponse

from sidelong import ConfigurationError
from sidelong.web import Extension, JobRow, Route, Visit, dashboard, endpoint
from tests.integration.web.test_lists import job
from tests.integration.web.test_security import OWN, POLICY
from tests.support.api_client import ApiClient

pytestmark = pytest.mark.parametrize("site", ["memory"], indirect=True)


async def limits(visit):
    return await visit.page("limits/all.html", names=["<b>stripe</b>", "mail"])


async def limit(visit):
    return HTMLResponse(f"limit {visit.names['limit']}")


async def reset(visit):
    form = await visit.form()
    await visit.require("reset", f"limits/{visit.names['limit']}")
    visit.record("reset", visit.names["limit"], form["to"][0])
    return visit.back("", "/limits")


@pytest.fixture
def extension(tmp_path):
    (tmp_path / "all.html").write_text(
        '{% extends "base.html" %}{% block title %}Limits{% endblock %}'
        "{% block content %}{% for name in names %}<p>{{ name | visible }}</p>{% endfor %}{% endblock %}"
    )
    routes = [Route("GET", "/", limits), Route("GET", "/{limit}", limit), Route("POST", "/{limit}", reset)]
    return Extension(name="limits", title="Limits & quotas", routes=routes, templates=tmp_path)


async def test_pages_say_whose_they_are_and_lead_back(open_pages):
    page = (
        await open_pages(title="A & B", environment="staging", app_url="https://example.org/?a=1&b=2").get("/")
    ).text
    plain = (await open_pages().get("/")).text

    assert "<title>[staging] Dashboard · A &amp; B</title>" in page
    assert '<span class="badge environment">staging</span>' in page
    assert 'href="https://example.org/?a=1&amp;b=2">Back to the app</a>' in page
    assert "<title>Dashboard · Sidelong</title>" in plain
    assert "Back to the app" not in plain


async def test_a_tab_leads_to_pages_that_look_like_the_others(open_pages, extension):
    pages = open_pages(extensions=[extension])

    home, page = await pages.get("/"), await pages.get("/limits")

    assert '<a href="/limits">Limits &amp; quotas</a>' in home.text
    assert '<a href="/limits" aria-current="page">' in page.text
    assert "<p>&lt;b&gt;stripe&lt;/b&gt;</p>" in page.text


async def test_its_pages_pass_what_all_pages_pass(open_pages, extension):
    asked = []

    def can(request, action, target):
        asked.append((action, target))
        return action == "view"

    pages = open_pages(extensions=[extension])
    closed = open_pages(extensions=[extension], auth=lambda request: None)
    read_only = open_pages(extensions=[extension], read_only=True)
    for_few = open_pages(extensions=[extension], authorize=can)
    form = {"data": {"to": "7"}}

    shown = await pages.get("/limits/mail")
    answers = [
        await pages.post("/limits/mail", headers={"Sec-Fetch-Site": "cross-site"}, **form),
        await pages.post("/limits/mail", headers=OWN, **form),
        await pages.post("/limits/mail", headers=OWN, json={"to": "7"}),
        await pages.put("/limits/mail", headers=OWN),
        await closed.get("/limits"),
        await read_only.post("/limits/mail", headers=OWN, **form),
        await for_few.post("/limits/mail", headers=OWN, **form),
    ]

    assert (shown.text, shown.headers["content-security-policy"]) == ("limit mail", POLICY)
    assert [answer.status_code for answer in answers] == [403, 303, 415, 405, 401, 403, 403]
    assert asked == [("view", "limits"), ("reset", "limits/mail")]


@pytest.mark.parametrize(
    "wrong",
    [
        Extension(name="queues"),
        Extension(name="api"),
        Extension(name="static"),
        Extension(name="Limits"),
        Extension(name="a/b"),
        Extension(name="limits", title="A tab that leads nowhere"),
        "limits",
    ],
    ids=lambda wrong: getattr(wrong, "name", wrong),
)
def test_an_extension_that_cannot_work_is_refused(wrong, app):
    with pytest.raises(ConfigurationError):
        dashboard(app, auth=None, extensions=[wrong])


def test_two_extensions_cannot_have_one_name(app):
    with pytest.raises(ConfigurationError, match="already"):
        dashboard(app, auth=None, extensions=[Extension(name="limits"), Extension(name="limits")])


async def test_rows_are_added_to_the_page_of_a_job(open_pages, site):
    async def rows(record):
        return [
            JobRow("Order <1>", str(record.args[0]), "/orders/7?x=1"),
            JobRow("Script", "click", "javascript:alert(1)"),
            JobRow("Elsewhere", "no", "//evil.example"),
            JobRow("Elsewhere too", "no", "/\t/evil.example"),
            JobRow("Nor here", "no", "/\n/evil.example"),
            JobRow("Limit", "mail", "./limits/mail"),
        ]

    def broken(record):
        raise RuntimeError("no database")

    site.client.zadd("retry", {job(7): 5.5})
    site.push_raw(job(7))
    pages = open_pages(extensions=[Extension(name="a", job_rows=broken), Extension(name="b", job_rows=rows)])

    for path in ("/retries/5.5-000000000000000000000007", "/queues/default/jobs/000000000000000000000007"):
        page = (await pages.get(path)).text
        assert "Order &lt;1&gt;" in page
        assert '<a href="/orders/7?x=1">7</a>' in page
        assert '<a href="/limits/mail">mail</a>' in page
        assert "javascript:" not in page
        assert "evil" not in page
    told = (await pages.get("/api/retries/5.5-000000000000000000000007")).json()
    assert told["rows"][0] == {"label": "Order <1>", "text": "7", "url": "/orders/7?x=1"}


async def test_rows_that_take_too_long_are_left_out(open_pages, site, monkeypatch):
    import asyncio

    async def slow(record):
        await asyncio.sleep(60)

    monkeypatch.setattr("sidelong.web.job_rows._WITHIN", 0.05)
    site.client.zadd("retry", {job(7): 5.5})
    pages = open_pages(extensions=[Extension(name="a", job_rows=slow)])

    assert (await pages.get("/retries/5.5-000000000000000000000007")).status_code == 200


async def test_arguments_are_shown_as_a_function_says_and_never_with_secrets(open_pages, site, caplog):
    def shown(record):
        match record.job_class:
            case "Card":
                return ["card ending in", str(record.args[0])[-4:], {"token": "t-1"}]
            case "Broken":
                raise ValueError("what is this")
        return None

    jobs = {"Card": ["4111111111111111"], "Broken": ["4222222222222222"], "Other": ["plain"]}
    for number, (name, args) in enumerate(jobs.items()):
        raw = job(number, args=args, **{"class": name})
        site.client.zadd("retry", {raw: 5.5 + number})
        site.push_raw(raw)
    site.client.zadd("retry", {b"no job": 9.5})
    pages = open_pages(display_args=shown)

    paths = ["/retries", "/queues/default", "/api/retries", "/api/queues/default/jobs"]
    paths += [f"{prefix}/retries/{5.5 + number}-{number:024x}" for number in range(3) for prefix in ("", "/api")]
    with caplog.at_level(logging.WARNING, "sidelong.web"):
        texts = [(await pages.get(path)).text for path in paths]

    assert all("1111111" not in text and "222222" not in text and "t-1" not in text for text in texts)
    for text in texts[:4]:
        assert "card ending in" in text
        assert "plain" in text
    assert "display_args failed: ValueError: what is this" in caplog.text


async def test_prometheus_and_autoscalers_are_served_where_that_is_wanted(open_pages, site):
    site.push("A", queue="low")
    pages = open_pages(exporter=True)

    figures = await pages.get("/prometheus")
    scale, same = await pages.get("/scale?queue=low&queue=high"), await pages.get("/api/scale?queue=low")
    refused = [
        (await open_pages().get("/prometheus")).status_code,
        (await open_pages(exporter=True, auth=lambda request: None).get("/prometheus")).status_code,
        (await open_pages(exporter=True, authorize=lambda *asked: asked[2] != "scale").get("/scale")).status_code,
        (await pages.get("/prometheus", headers={"Host": "evil.example"})).status_code,
    ]

    assert 'sidelong_queue_jobs{queue="low"} 1.0' in figures.text
    assert figures.headers["content-type"].startswith("text/plain; version=")
    assert scale.json() == {"latency": scale.json()["latency"], "queued": 1, "active": 0, "capacity": 0, "load": None}
    assert same.json().keys() == scale.json().keys()
    assert refused == [404, 401, 403, 400]


# Addresses of the JSON API


class Limit(Struct, kw_only=True):
    """A limit.

    Attributes:
        name: what is limited.
        most: how many at once.
    """

    name: str
    most: int


class Job(Struct, kw_only=True):
    """Called as one of the structures that there are.

    Attributes:
        limits: its limits.
    """

    limits: list[Limit]


class Wanted(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which limit is wanted.

    Attributes:
        most: how many at once.
    """

    most: int = 1


async def get_limit(visit: Visit, query: Wanted) -> Job:
    """Tell one limit."""
    return Job(limits=[Limit(name=visit.names["limit"], most=query.most)])


async def set_limit(visit: Visit, body: Wanted) -> Limit:
    """Set one limit."""
    await visit.require("set", f"limits/{visit.names['limit']}")
    visit.record("set", visit.names["limit"], str(body.most))
    return Limit(name=visit.names["limit"], most=body.most)


def limiting():
    return Extension(
        name="rate-limits",
        endpoints=[
            endpoint("GET", "/{limit}", "", get_limit),
            endpoint("POST", "/{limit}/most", "", set_limit, faults=[409]),
        ],
    )


async def test_what_an_extension_adds_to_the_api_is_described_and_checked(open_pages):
    asked = []

    def can(request, action, target):
        asked.append((action, target))
        return True

    pages = open_pages(extensions=[limiting()], authorize=can)
    api = await ApiClient(pages).load()
    asked.clear()

    told = await api.get("rate_limits_get_limit", "mail", most=7)
    done = await api.act("rate_limits_set_limit", "mail", body={"most": 3})
    wrong = await api.call("rate_limits_set_limit", "mail", body={"least": 3})

    assert told == {"limits": [{"name": "mail", "most": 7}]}
    assert done == {"name": "mail", "most": 3}
    assert wrong.status_code == 400
    assert asked[:3] == [("view", "rate-limits"), ("view", "rate-limits"), ("set", "limits/mail")]
    operation = api.document["paths"]["/rate-limits/{limit}"]["get"]
    assert operation["summary"] == "Tell one limit."
    assert [each["description"] for each in operation["parameters"]] == ["The limit.", "How many at once."]
    schemas = api.document["components"]["schemas"]
    assert schemas["Limit"]["properties"]["most"]["description"] == "How many at once."
    # Both of one name are there.
    assert {name.rpartition(".")[2] for name in schemas if name.endswith(".Job")} == {"Job"}
    assert sum(name.endswith(".Job") for name in schemas) == 2
    assert (await ApiClient(open_pages()).load()).operations.keys() < api.operations.keys()


async def test_what_an_extension_adds_to_the_api_passes_what_all_passes(open_pages):
    path, body = "/api/rate-limits/mail/most", {"json": {"most": 3}}

    answers = [
        await open_pages(extensions=[limiting()]).post(path, headers={"Sec-Fetch-Site": "cross-site"}, **body),
        await open_pages(extensions=[limiting()], auth=lambda request: None).post(path, headers=OWN, **body),
        await open_pages(extensions=[limiting()], read_only=True).post(path, headers=OWN, **body),
        await open_pages(extensions=[limiting()]).post(path, headers=OWN, data={"most": 3}),
        await open_pages(extensions=[limiting()]).get("/api/rate-limits/mail?most=x"),
        await open_pages(extensions=[limiting()]).post(path, headers=OWN, **body),
    ]

    assert [answer.status_code for answer in answers] == [403, 401, 403, 415, 400, 200]
    assert {answer.headers["content-type"] for answer in answers[:5]} == {"application/problem+json"}
    assert answers[-1].headers["cache-control"] == "no-store"


def test_addresses_that_there_are_cannot_be_added(app):
    added = Extension(name="jobs", endpoints=[endpoint("GET", "/{limit}", "", get_limit)])

    with pytest.raises(ConfigurationError, match="below /api/jobs"):
        dashboard(app, auth=None, extensions=[added])


async def test_read_only_pages_let_nothing_through_to_an_extension_that_does_not_ask(open_pages, caplog):
    done = []

    async def act(visit):
        done.append(await visit.form())
        return visit.back("", "/limits")

    caplog.set_level(logging.INFO, "sidelong.audit")
    extension = Extension(name="limits", routes=[Route("POST", "/", act)])

    refused = await open_pages(extensions=[extension], read_only=True).post("/limits", data={"a": "1"}, headers=OWN)
    passed = await open_pages(extensions=[extension]).post("/limits", data={"a": "1"}, headers=OWN)

    assert (refused.status_code, passed.status_code, len(done)) == (403, 303, 1)
    assert [record.getMessage() for record in caplog.records if "refused" in record.getMessage()] == [
        "(nobody asked): send /limits: refused (from 127.0.0.1)"
    ]
