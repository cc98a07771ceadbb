import pytest
import redis

from sidelong import Capsule, ConfigurationError, JobDefinitionError, Sidelong


class MemoryStore:
    def __init__(self):
        self.is_closed = False

    async def close(self):
        self.is_closed = True


def test_settings_reach_the_config_and_unknown_ones_are_refused():
    app = Sidelong("redis://a/3", concurrency=20, queues=["high,3", "low"], timeout=5)

    assert (app.config.redis_url, app.config.concurrency, app.config.timeout) == ("redis://a/3", 20, 5)
    assert app.config.queues == (("high", 3), ("low", 1))
    with pytest.raises(ConfigurationError, match="no setting 'concurency'"):
        Sidelong(concurency=5)
    with pytest.raises(ConfigurationError, match="retry must be"):
        Sidelong(default_job_options={"retry": "often"})


def test_the_environment_names_the_redis_unless_code_does(monkeypatch):
    monkeypatch.setenv("SIDELONG_REDIS_URL", "redis://environment")

    assert Sidelong().config.redis_url == "redis://environment"
    assert Sidelong("redis://code").config.redis_url == "redis://code"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (5, "must be a URL or a redis.asyncio.Redis, not int"),
        (b"redis://a", "must be a URL or a redis.asyncio.Redis, not bytes"),
        ("", "must begin with redis://"),
        ("localhost:6379", "must begin with redis://"),
        ("http://localhost", "must begin with redis://"),
        ("redis://:p@ss@host:port", "cannot be read"),
        ("redis://:12#34@host", "cannot be read"),
        ("redis://:12?34@host", "cannot be read"),
        (redis.Redis(), "cannot be copied"),
    ],
)
def test_a_wrong_address_is_refused_at_once(address, words):
    with pytest.raises(ConfigurationError, match=words):
        Sidelong(address)


def test_a_wrong_address_in_the_environment_is_refused_at_once(monkeypatch):
    monkeypatch.setenv("SIDELONG_REDIS_URL", "nonsense")

    with pytest.raises(ConfigurationError, match="must begin with redis://"):
        Sidelong()


def test_a_queue_in_two_capsules_is_refused_for_the_app_and_for_a_worker():
    pdf = Capsule(name="slow", concurrency=1, queues=["pdf"])
    app = Sidelong(queues=["pdf", "default"])

    with pytest.raises(ConfigurationError, match="'pdf' is served by two capsules, 'default' and 'slow'"):
        Sidelong(queues=["pdf"], capsules=[pdf])
    with pytest.raises(ConfigurationError, match="'pdf' is served by two capsules, 'default' and 'slow'"):
        app.worker(capsules=[pdf])


def test_what_a_worker_is_given_beats_the_config_and_is_checked():
    app = Sidelong(concurrency=3, timeout=5)

    worker = app.worker(concurrency=7, queues=["a", "b,2"])

    assert (worker.config.concurrency, worker.config.timeout) == (7, 5)
    assert worker.config.queues == (("a", 1), ("b", 2))
    with pytest.raises(ConfigurationError, match="no setting 'concurency'"):
        app.worker(concurency=5)
    with pytest.raises(ConfigurationError, match="concurrency must be a whole number"):
        app.worker(concurrency="5")


def test_decorators_register_and_return_what_they_were_given():
    app = Sidelong()

    async def middleware(job, call_next):
        return await call_next()

    def handler(*args): ...

    assert app.client_middleware(middleware) is middleware
    assert app.server_middleware(middleware) is middleware
    assert app.on("startup")(handler) is handler
    assert app.error_handler(handler) is handler
    assert app.death_handler(handler) is handler
    assert middleware in app.client_middleware
    assert handler in app.hooks.error_handlers
    assert handler in app.hooks.death_handlers


async def test_events_reach_their_handlers():
    app = Sidelong()
    seen = []
    app.on("startup")(lambda: seen.append("startup"))

    await app.hooks.emit("startup")

    assert seen == ["startup"]
    with pytest.raises(ConfigurationError, match="no event"):
        app.on("start")(print)


def test_a_feature_installs_itself():
    app = Sidelong()
    installed = []

    class Feature:
        def install(self, app):
            installed.append(app)

    app.use(Feature())
    app.use(installed.append)

    assert installed == [app, app]
    with pytest.raises(ConfigurationError, match="is no feature"):
        app.use("name")


def test_refuses_names_that_cannot_be_names():
    app = Sidelong()

    with pytest.raises(JobDefinitionError, match="aliases must be a list"):
        app.job(aliases="old")(print)
    with pytest.raises(JobDefinitionError, match="non-empty string"):
        app.job(name=5)(print)


async def test_leaving_the_app_closes_its_store():
    store = MemoryStore()

    async with Sidelong(store=store) as app:
        assert not store.is_closed

    assert store.is_closed
    assert app.store is store


async def test_closing_an_app_that_was_never_used_opens_nothing():
    await Sidelong("redis://nowhere.invalid").close()


async def test_lifespan_wraps_the_hosts_own_and_closes_the_app():
    from contextlib import asynccontextmanager

    store = MemoryStore()
    seen = []

    @asynccontextmanager
    async def inner(host):
        seen.append(host)
        yield {"db": 1}
        seen.append(store.is_closed)

    lifespan = Sidelong(store=store).lifespan(inner=inner)

    async with lifespan("host") as state:
        assert state == {"db": 1}

    assert seen == ["host", False]
    assert store.is_closed


async def test_lifespan_runs_a_worker_inside_the_hosts_own(monkeypatch):
    from contextlib import asynccontextmanager

    app = Sidelong(store=MemoryStore())
    seen = []

    class Worker:
        def __init__(self, **arguments):
            seen.append(arguments)

        async def __aenter__(self):
            seen.append("worker in")

        async def __aexit__(self, *error):
            seen.append("worker out")

    @asynccontextmanager
    async def inner(host):
        seen.append("inner in")
        yield
        seen.append("inner out")

    monkeypatch.setattr(app, "worker", Worker)

    async with app.lifespan(worker={"concurrency": 2}, inner=inner)("host"):
        seen.append("body")

    assert seen == ["inner in", {"concurrency": 2}, "worker in", "body", "worker out", "inner out"]
