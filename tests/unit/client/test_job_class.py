from typing import ClassVar

import pytest

from sidelong import JobClass, JobDefinitionError


async def test_a_decorated_class_stays_a_class_with_enqueue_verbs(app, pusher):
    @app.job(queue="high", name="CompleteOrder")
    class CompleteOrder(JobClass):
        async def perform(self, order_id, note="x"): ...

    await CompleteOrder.enqueue(1)
    await CompleteOrder.enqueue_in(60, order_id=2)
    await CompleteOrder.enqueue_at(99_999_999_999, 3)
    await CompleteOrder.enqueue_many([(4,)])
    await CompleteOrder.with_options(queue="low").enqueue(5)
    await app.client.push({"class": CompleteOrder, "args": [6]})

    assert isinstance(CompleteOrder, type)
    assert [payload["args"] for payload in pusher.payloads] == [[1], [2], [3], [4], [5], [6]]
    assert [push.queue for push in pusher.pushes] == ["high"] * 4 + ["low", "high"]
    assert {payload["class"] for payload in pusher.payloads} == {"CompleteOrder"}


async def test_each_execution_has_an_instance_of_its_own(app):
    @app.job
    class Count(JobClass):
        def __init__(self):
            self.calls = 0

        async def perform(self):
            self.calls += 1
            return self.calls, self.context.attempt

    assert await Count.inline() == (1, 1)
    assert await Count.inline() == (1, 1)


async def test_arguments_are_bound_without_self(app, pusher):
    @app.job
    class Complete(JobClass):
        def perform(self, order_id): ...

    with pytest.raises(TypeError, match="missing a required argument: 'order_id'"):
        await Complete.enqueue()
    with pytest.raises(TypeError, match="too many positional arguments"):
        await Complete.enqueue(1, 2)

    assert pusher.pushes == []


def test_undecorated_bases_share_options_and_hooks(app):
    class Base(JobClass):
        options: ClassVar = {"queue": "shared", "retry": 3, "tags": ["base"]}

        def retry_in(self, count, exception, payload):
            return count * 10

        @staticmethod
        def retries_exhausted(payload, exception):
            return payload["jid"]

    @app.job(retry=7)
    class Child(Base):
        options: ClassVar = {"tags": ["child"]}

        async def perform(self): ...

    options = app.registry.get(f"{__name__}.{Child.__qualname__}").options

    assert (options.queue, options.retry, options.tags) == ("shared", 7, ("child",))
    assert options.retry_in(2, ValueError(), {}) == 20
    assert options.retries_exhausted({"jid": "a"}, ValueError()) == "a"


def test_a_subclass_inherits_what_its_base_was_decorated_with_but_not_its_name(app):
    @app.job(queue="high", name="Parent")
    class Parent(JobClass):
        async def perform(self): ...

    @app.job(name="Child")
    class Child(Parent):
        async def perform(self): ...

    class Unregistered(Parent): ...

    assert app.registry.get("Child").options.queue == "high"
    with pytest.raises(JobDefinitionError, match="Unregistered is not registered"):
        Unregistered.with_options()


def test_refuses_classes_that_cannot_be_jobs(app):
    class Plain:
        async def perform(self): ...

    class Idle(JobClass): ...

    class Demanding(JobClass):
        def __init__(self, needed): ...

        async def perform(self): ...

    with pytest.raises(JobDefinitionError, match="must derive from JobClass"):
        app.job(Plain)
    with pytest.raises(JobDefinitionError, match="needs a method `perform`"):
        app.job(Idle)
    with pytest.raises(JobDefinitionError, match="made without arguments"):
        app.job(Demanding)
