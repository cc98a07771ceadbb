import sys
from types import ModuleType, SimpleNamespace

import pytest

from sidelong import JobDefinitionError, UnknownJobError
from sidelong.client.registry import wire_name


def test_finds_jobs_by_name_and_alias(app):
    @app.job(name="new.name", aliases=["old.name", "older.name"])
    async def work(): ...

    assert app.registry.get("new.name") is work
    assert app.registry.get("older.name") is work
    assert "old.name" in app.registry
    assert list(app.registry) == [work]
    with pytest.raises(UnknownJobError, match="'other'"):
        app.registry.get("other")


def test_refuses_two_jobs_of_one_name(app):
    @app.job(name="a", aliases=["b"])
    async def first(): ...

    for name, aliases in [("a", []), ("b", []), ("c", ["a"]), ("c", ["b"])]:
        with pytest.raises(JobDefinitionError, match="two jobs would be called"):

            @app.job(name=name, aliases=aliases)
            async def second(): ...

    assert list(app.registry) == [first]


def test_a_reloaded_module_replaces_its_jobs(app):
    def load(alias):
        @app.job(aliases=[alias])
        async def work(): ...

        return work

    load("first")

    again = load("second")

    assert app.registry.get(again.name) is again
    assert "first" not in app.registry
    assert "second" in app.registry
    assert len(app.registry) == 1


def test_lists_the_queues_of_all_jobs(app):
    @app.job(queue="b", retry_queue="slow")
    async def first(): ...

    @app.job(queue="a")
    async def second(): ...

    @app.job(queue="b")
    async def third(): ...

    assert app.registry.queues() == ("b", "slow", "a")


@pytest.mark.parametrize(
    ("spec", "file", "expected"),
    [
        (SimpleNamespace(name="shop.jobs"), "/srv/shop/jobs.py", "shop.jobs.work"),
        (None, "/srv/shop/jobs.py", "jobs.work"),
        (None, None, "__main__.work"),
    ],
)
def test_names_the_main_module_as_a_worker_imports_it(monkeypatch, spec, file, expected):
    main = ModuleType("__main__")
    main.__spec__ = spec
    if file:
        main.__file__ = file
    monkeypatch.setitem(sys.modules, "__main__", main)

    def work(): ...

    work.__module__, work.__qualname__ = "__main__", "work"

    assert wire_name(work) == expected
