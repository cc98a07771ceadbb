import asyncio
from contextvars import Context, ContextVar
from uuid import UUID

import pytest

from sidelong import ArgumentError, ConfigurationError, Sidelong
from sidelong.features.current_attributes import CurrentAttributes
from sidelong.testing import fake, inline

STORED = {"class": "HardJob", "args": [], "queue": "default", "jid": "a" * 24, "retry": True}


@pytest.fixture
def tenant():
    return ContextVar("tenant")


@pytest.fixture
def locale():
    return ContextVar("locale", default="en")


@pytest.fixture
def app(tenant, locale):
    # What is not taken by a block ends as `NotEnqueued`.
    app = Sidelong("redis://127.0.0.1:1/0", connect_timeout=0.5)
    app.use(CurrentAttributes(tenant, locale))
    return app


async def test_what_is_set_is_stored_and_nothing_else(app, tenant, locale):
    with fake(app) as jobs:
        await app.enqueue("HardJob")
        tenant.set("acme")
        await app.enqueue("HardJob")
        locale.set(None)
        await app.enqueue("HardJob")

    assert "cattr" not in jobs[0].item
    assert [job.item["cattr"] for job in jobs[1:]] == [{"tenant": "acme"}, {"tenant": "acme", "locale": None}]


async def test_every_way_to_enqueue_stores_it(app, tenant):
    @app.job
    async def work(number: int) -> None: ...

    tenant.set({"id": 7, "name": "é"})
    with fake(app) as jobs:
        await work.enqueue(1)
        await work.enqueue_in(60, 2)
        await work.enqueue_many([(3,), (4,)])
        await work.enqueue_many([(5,), (6,)], at=4e9)
        await app.client.push({"class": "HardJob", "args": [7]})
        await app.client.push_bulk({"class": "HardJob", "args": [[8], [9]]})
        await asyncio.to_thread(work.sync.enqueue, 10)

    assert sorted(job.args[0] for job in jobs) == list(range(1, 11))
    assert [job.item["cattr"] for job in jobs] == [{"tenant": {"id": 7, "name": "é"}}] * 10


@pytest.mark.parametrize("block", [fake, inline])
async def test_a_job_sees_what_was_set_where_it_was_enqueued(app, tenant, locale, block):
    seen = []

    @app.job
    async def work() -> None:
        seen.append((tenant.get(), locale.get()))
        tenant.set("the job's")

    @app.job
    def work_in_thread() -> None:
        seen.append((tenant.get(), locale.get()))
        tenant.set("the thread's")

    with block(app, server_middleware=True) as jobs:
        for name in ("a", "b"):
            tenant.set(name)
            await work.enqueue()
            await work_in_thread.enqueue()
        tenant.set("the request's")
        await jobs.drain()

    assert seen == [("a", "en"), ("a", "en"), ("b", "en"), ("b", "en")]
    assert tenant.get() == "the request's"


async def test_a_job_run_by_inline_sees_it(app, tenant):
    @app.job
    async def work() -> str:
        return tenant.get()

    tenant.set("acme")

    assert await work.inline() == "acme"


async def test_what_a_job_enqueues_has_the_context_of_the_job(app, tenant):
    seen = []

    @app.job
    def first() -> None:
        seen.append(tenant.get())
        second.sync.enqueue()

    @app.job
    async def second() -> None:
        seen.append(tenant.get())
        await third.enqueue_in(60)

    @app.job
    async def third() -> None:
        seen.append(tenant.get())

    with fake(app, server_middleware=True) as jobs:
        tenant.set("acme")
        await first.enqueue()
        tenant.set("the request's")
        await jobs.drain()
        await jobs.travel(61)
        await jobs.drain()

    assert seen == ["acme"] * 3


async def test_a_job_without_it_sees_nothing_of_the_one_before(app, tenant):
    seen = []

    @app.job
    async def work() -> None:
        seen.append(tenant.get(None))

    with fake(app, server_middleware=True) as jobs:
        token = tenant.set("acme")
        await work.enqueue()
        tenant.reset(token)
        await work.enqueue()
        await jobs.drain()

    assert seen == ["acme", None]


async def test_what_a_payload_has_is_kept_whoever_wrote_it(app, tenant):
    seen = []

    @app.job
    async def work() -> None:
        seen.append(tenant.get())

    tenant.set("acme")
    with fake(app, server_middleware=True) as jobs:
        await app.client.push({"class": work, "args": [], "cattr": {"tenant": "of Ruby", "user": 7}})
        stored = jobs[0].item["cattr"]
        await jobs.drain()

    assert stored == {"tenant": "of Ruby", "user": 7}
    assert seen == ["of Ruby"]


async def test_a_job_is_promoted_in_its_own_context_and_not_given_another(app, tenant):
    seen = []

    @app.client_middleware
    async def look(job, call_next):
        seen.append(tenant.get())
        return await call_next()

    tenant.set("the operator's")
    with_it = await app.client.promote({**STORED, "cattr": {"tenant": "acme"}})
    without_it = await app.client.promote(dict(STORED))

    assert seen == ["acme", "the operator's"]
    assert with_it["cattr"] == {"tenant": "acme"}
    assert "cattr" not in without_it
    assert tenant.get() == "the operator's"


async def test_a_scheduled_job_without_it_gets_none_as_it_becomes_due(app, tenant):
    tenant.set("where the worker began")
    with fake(app) as jobs:
        # Another program's.
        await asyncio.create_task(app.client.push({**STORED, "at": jobs.now() + 60}), context=Context())
        await jobs.travel(61)

    assert "cattr" not in jobs[0].item


async def test_what_middleware_enqueues_at_a_promotion_has_the_context_of_the_job(app, tenant):
    @app.client_middleware
    async def tell(job, call_next):
        if job["class"] == "HardJob":
            await app.enqueue("Told")
        return await call_next()

    with fake(app) as jobs:
        await app.client.promote({**STORED, "cattr": {"tenant": "acme"}})

    assert [(job.job_class, job.item["cattr"]) for job in jobs] == [("Told", {"tenant": "acme"})]


async def test_middleware_that_was_there_before_can_set_it(tenant):
    app = Sidelong("redis://127.0.0.1:1/0")

    @app.client_middleware
    async def identify(job, call_next):
        tenant.set("found out")
        return await call_next()

    app.use(CurrentAttributes(tenant))

    with fake(app) as jobs:
        await app.enqueue("HardJob")

    assert jobs[0].item["cattr"] == {"tenant": "found out"}


@pytest.mark.parametrize(
    "value",
    [UUID(int=1), ("a",), {"a": {1}}, {1: "a"}, float("nan"), "\ud800", 10**5000],
    ids=["uuid", "tuple", "set", "key", "nan", "surrogate", "digits"],
)
async def test_a_value_that_json_cannot_carry_is_refused_by_the_name_of_its_variable(app, tenant, value):
    tenant.set(value)

    with fake(app) as jobs:
        for pushing in (app.enqueue("HardJob"), app.client.push_bulk({"class": "HardJob", "args": [[1]]})):
            with pytest.raises(ArgumentError, match="the context variable 'tenant'"):
                await pushing

    assert not jobs


@pytest.mark.parametrize("stored", [None, 5, True, "acme", ["acme"], [["tenant", "acme"], []]], ids=ascii)
async def test_what_holds_no_attributes_is_told_and_ignored(app, tenant, caplog, stored):
    seen = []

    @app.job(name="Odd")
    async def work() -> None:
        seen.append(tenant.get(None))

    with fake(app, server_middleware=True) as jobs:
        ref = await app.client.push({"class": work, "args": [], "cattr": stored})
        await jobs.drain()

    assert seen == [None]
    assert [record.getMessage() for record in caplog.records if record.name == "sidelong"] == [
        f"cattr of Odd {ref} holds no attributes: no context variable is set"
    ]


@pytest.mark.parametrize(
    "name", ["tenant", {"_aj_serialized": "ActiveJob::Serializers::SymbolSerializer", "value": "tenant"}]
)
async def test_what_sidekiq_8_stores_by_way_of_activejob_is_set_as_well(app, tenant, locale, caplog, name):
    seen = []

    @app.job
    async def work() -> None:
        seen.append((tenant.get(), locale.get()))

    with fake(app, server_middleware=True) as jobs:
        await app.client.push({"class": work, "args": [], "cattr": [[name, "acme"], ["shop", 1]]})
        await app.client.push({"class": work, "args": [], "cattr": [["locale", "de"], [name, None]]})
        item = jobs[0].item
        await jobs.drain()

    assert item["cattr"] == [[name, "acme"], ["shop", 1]]
    assert seen == [("acme", "en"), (None, "de")]
    assert not caplog.records


async def test_a_second_set_has_a_key_of_its_own(app, tenant):
    seen = []
    zone = ContextVar("tenant")
    app.use(CurrentAttributes(zone, key="cattr_1"))

    @app.job
    async def work() -> None:
        seen.append((tenant.get(), zone.get()))

    with fake(app, server_middleware=True) as jobs:
        tenant.set("acme")
        zone.set("Europe/Berlin")
        await work.enqueue()
        item = jobs[0].item
        await jobs.drain()

    assert (item["cattr"], item["cattr_1"]) == ({"tenant": "acme"}, {"tenant": "Europe/Berlin"})
    assert seen == [("acme", "Europe/Berlin")]


def test_what_cannot_work_is_refused(app, tenant):
    with pytest.raises(ConfigurationError, match="needs the context variables"):
        CurrentAttributes()
    with pytest.raises(ConfigurationError, match="must be a ContextVar, not str"):
        CurrentAttributes("tenant")
    with pytest.raises(ConfigurationError, match="two context variables are called 'tenant'"):
        CurrentAttributes(tenant, ContextVar("tenant"))
    for key in ("", "cattr_", "cattr_0", "cattr_01", "args", "cattr_1\n"):
        with pytest.raises(ConfigurationError, match="cattr_1"):
            CurrentAttributes(tenant, key=key)
    with pytest.raises(ConfigurationError, match="'cattr' is taken"):
        app.use(CurrentAttributes(ContextVar("zone")))


def test_using_it_twice_is_using_it_once(tenant):
    app = Sidelong("redis://127.0.0.1:1/0")
    feature = CurrentAttributes(tenant, tenant)

    app.use(feature)
    app.use(feature)

    assert (len(app.client_middleware), len(app.server_middleware)) == (2, 1)
