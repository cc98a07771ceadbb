"""Requests that nobody would think of, made of the description: valid, invalid, and with hostile texts."""

import asyncio
import logging
import time

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi_checks

from sidelong.web import dashboard
from sidelong.web.api.openapi import describe
from sidelong.web.api.table import ENDPOINTS
from sidelong.web.places import write_segment
from tests.integration.web.api.support import SETS, seed
from tests.integration.web.test_busy import SELF, process
from tests.integration.web.test_lists import HOSTILE, job
from tests.support.browser import Browser

# What is asked does not depend on the store.
pytestmark = pytest.mark.parametrize("site", ["memory"], indirect=True)

SCHEMA = schemathesis.openapi.from_dict(
    {**describe(ENDPOINTS, title="", version="1", has_basic_auth=False), "servers": [{"url": "/api"}]}
)
OPERATIONS = {operation.ok().definition.raw["operationId"]: operation.ok() for operation in SCHEMA.get_all_operations()}
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
    openapi_checks.negative_data_rejection,
    openapi_checks.positive_data_acceptance,
]
EXISTING = {"queue": "default", "job": "0" * 24, "entry": f"5.5-{'0' * 24}", "process": SELF, "jid": "0" * 24}
SECONDS = 0.1
"""For each address and each kind of request; about twenty in all."""


@pytest.fixture(autouse=True)
def _short_streams(monkeypatch):
    monkeypatch.setattr("sidelong.web.events._STREAM_FOR", 0.0)


@pytest.fixture
def runner():
    """Runs what is async for tests that are not: hypothesis calls them again and again."""
    logging.getLogger("sidelong").setLevel(logging.CRITICAL)
    with asyncio.Runner() as running:
        yield running
    logging.getLogger("sidelong").setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        pytest.param(name, mode, id=f"{name}-{mode.value}")
        for name, operation in OPERATIONS.items()
        for mode in GenerationMode
        # Where nothing is taken, nothing can be wrong.
        if mode is GenerationMode.POSITIVE or any(operation.iter_parameters()) or operation.body
    ],
)
def test_any_request_is_answered_as_it_is_described(name, mode, site, runner):
    fill(site)
    operation, ends_at = OPERATIONS[name], time.monotonic() + SECONDS
    names = {part.name: EXISTING[part.name] for part in operation.path_parameters if part.name in EXISTING}
    # What there is cannot be guessed; half of the requests are about it.
    kinds = [{}, {"path_parameters": names}] if names and mode is GenerationMode.POSITIVE else [{}]
    applicable = [check for check in CHECKS if is_applicable(check, name)]

    async def ask(case):
        request = case.as_transport_kwargs(base_url="http://localhost/api")
        del request["cookies"]
        if isinstance(request.get("data"), bytes):
            request["content"] = request.pop("data")
        request["headers"] = {**request["headers"], "Sec-Fetch-Site": "same-origin"}
        async with site.app() as app, Browser(dashboard(app, auth=None)) as browser:
            return await browser.request(**request)

    for kind in kinds:

        @given(operation.as_strategy(generation_mode=mode, **kind))
        @settings(
            max_examples=4,
            database=None,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def every(case):
            if time.monotonic() > ends_at:
                return
            if isinstance(case.body, dict):
                # A mark is what an answer has said; no schema can tell it from other texts.
                case.body.pop("after", None)
            case.validate_response(runner.run(ask(case)), checks=applicable)

        every()
    site.client.flushdb()


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
async def test_hostile_text_in_any_place_is_answered_as_it_is_described(text, api, site):
    site.push_raw(job(0))
    # A client resolves dots before it asks.
    segments = {write_segment(text), text} - {".."}

    for name, (_, _, operation) in api.operations.items():
        parts = [parameter for parameter in operation["parameters"] if parameter["in"] == "path"]
        queries = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"]
        for part in segments if parts else {""}:
            await api.call(name, *[part] * len(parts), body=hostile_body(operation, text))
        for query in [*queries, text]:
            await api.call(name, *[EXISTING.get(part["name"], "x") for part in parts], query={query: text})
    site.client.flushdb()


def hostile_body(operation, text):
    if "requestBody" not in operation:
        return None
    if operation["operationId"].startswith(("edit_", "replace_", "reschedule_")):
        item = {"class": text, "args": [text, {text: text}], "queue": text, "jid": text, text: text}
        bodies = {"edit": {"changes": item}, "replace": {"item": item}, "reschedule": {"at": text}}
        return bodies[operation["operationId"].partition("_")[0]]
    if "_all_" in operation["operationId"]:
        return {"filter": dict.fromkeys(("class", "queue", "tag", "error", "text"), text), "after": text}
    return {"keys": [text]}


def is_applicable(check, name):
    """Tell whether a check is about what an address promises.

    Not every payload is a job, and not every time can be reached, as a 422 tells.
    """
    is_change = name.startswith(("edit_", "replace_", "reschedule_"))
    return not (is_change and check is openapi_checks.positive_data_acceptance)


def fill(site):
    site.push_raw(job(0))
    process(site)
    for name in SETS.values():
        seed(site, name, 3)
