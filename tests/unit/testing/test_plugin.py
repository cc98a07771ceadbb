import os
import subprocess
import sys
import textwrap
from importlib.metadata import entry_points

import pytest

CONFTEST = """
    import pytest
    from sidelong import Sidelong

    app = Sidelong("redis://127.0.0.1:1/0", connect_timeout=0.5)
    ran = []

    @app.job(queue="mail")
    async def send(user_id: int) -> None:
        ran.append(user_id)

    @app.server_middleware
    async def server(job, call_next):
        ran.append("server")
        await call_next()
"""

TESTS = """
    import asyncio
    import pytest
    from conftest import app, ran, send

    @pytest.fixture(autouse=True)
    def nothing_ran():
        ran.clear()

    @pytest.fixture
    def anyio_backend():
        return "asyncio"

    def test_without_a_loop(sidelong_fake):
        send.sync.enqueue(1)
        assert sidelong_fake.assert_enqueued(send, [1])

    @pytest.mark.asyncio
    async def test_with_pytest_asyncio(sidelong_fake):
        await send.enqueue(2)
        await asyncio.create_task(send.enqueue(3))
        assert await sidelong_fake.drain() == 2
        assert ran == [2, 3]

    @pytest.mark.anyio
    async def test_with_anyio(sidelong_fake):
        await send.enqueue(4)
        assert [job.args for job in sidelong_fake] == [[4]]

    @pytest.mark.asyncio
    async def test_inline_with_pytest_asyncio(sidelong_inline):
        await send.enqueue(5)
        assert ran == [5]

    @pytest.mark.anyio
    async def test_inline_with_anyio(sidelong_inline):
        await send.enqueue(6)
        assert ran == [6]

    class TestWithServerMiddleware:
        @pytest.fixture
        def sidelong_server_middleware(self):
            return True

        def test_it_runs(self, sidelong_inline):
            send.sync.enqueue(7)
            assert ran == ["server", 7]

        def test_it_runs_in_a_drain(self, sidelong_fake):
            send.sync.enqueue(8)
            app.sync.run(sidelong_fake.drain)
            assert ran == ["server", 8]
"""


SETTINGS = """\
[pytest]
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""

# Those of the suite take longer to load than these tests to run.
PLUGINS = ("pytest_sidelong", "pytest_asyncio.plugin", "anyio.pytest_plugin")


@pytest.fixture
def run(tmp_path):
    def run(*, settings="", **files):
        (tmp_path / "pytest.ini").write_text(SETTINGS + settings)
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        plugins = [word for plugin in PLUGINS for word in ("-p", plugin)]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *plugins],
            cwd=tmp_path,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=110,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_pytest_finds_the_plugin():
    (found,) = entry_points(group="pytest11", name="sidelong")

    assert found.value == "pytest_sidelong"


def test_the_fixtures_work_with_and_without_an_event_loop_whoever_runs_it(run):
    status, output = run(settings="sidelong_app = conftest:app", conftest=CONFTEST, test_all=TESTS)

    assert status == 0, output
    assert "7 passed" in output


def test_the_app_may_be_a_fixture_or_be_missing(run):
    tests = """
        import pytest
        from conftest import app, send

        class TestWithFixture:
            @pytest.fixture
            def sidelong_app(self):
                return app

            def test_works(self, sidelong_fake):
                send.sync.enqueue(1)
                assert len(sidelong_fake) == 1

        def test_is_missing(sidelong_fake):
            pass

        class TestWithoutRedis:
            @pytest.fixture
            def sidelong_app(self):
                return app

            def test_has_no_database(self, sidelong_redis):
                pass
    """

    status, output = run(conftest=CONFTEST, test_app=tests)

    assert status == 1
    assert "1 passed, 2 errors" in output
    assert "sidelong_app = shop.app:app, or define a fixture sidelong_app" in output
    assert "no connection to Redis at redis://127.0.0.1:1/1" in output
    assert "sidelong_redis_url in the settings of pytest names another server" in output


def test_says_so_where_the_settings_name_no_app(run):
    status, output = run(settings="sidelong_app = conftest", conftest="", test_app="def test(sidelong_fake): pass")

    assert status == 1
    assert "sidelong_app = conftest in the settings of pytest names a module, not a Sidelong app" in output


def test_loading_the_plugin_does_not_load_sidelong():
    program = "import pytest_sidelong, sys; print([name for name in sys.modules if name.split('.')[0] == 'sidelong'])"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
