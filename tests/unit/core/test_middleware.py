import pytest

from sidelong.core.middleware import Chain, compose
from sidelong.errors import ConfigurationError


def named(name):
    async def middleware(job, call_next):
        job["trail"].append(name)
        result = await call_next()
        job["trail"].append(f"/{name}")
        return result

    return middleware


async def finish(job):
    job["trail"].append("end")
    return "result"


a, b, c = named("a"), named("b"), named("c")


async def test_the_first_middleware_is_the_outermost():
    job = {"trail": []}

    result = await compose([a, b], finish)(job)

    assert result == "result"
    assert job["trail"] == ["a", "b", "end", "/b", "/a"]


async def test_no_middleware_leaves_the_terminal_step():
    assert compose([], finish) is finish


async def test_call_next_may_hand_on_another_payload():
    async def replace(job, call_next):
        return await call_next({"trail": ["other"]})

    async def last(job):
        return job["trail"]

    assert await compose([replace], last)({"trail": []}) == ["other"]


async def test_not_calling_on_stops_there():
    async def stop(job, call_next):
        return "stopped"

    job = {"trail": []}

    assert await compose([a, stop, b], finish)(job) == "stopped"
    assert job["trail"] == ["a", "/a"]


async def test_an_exception_passes_outwards():
    async def fail(job):
        raise LookupError

    with pytest.raises(LookupError):
        await compose([a], fail)({"trail": []})


def test_adding_again_moves_to_the_end():
    chain = Chain([a, b, c])

    chain.add(a)

    assert list(chain) == [b, c, a]


def test_prepending_puts_outermost():
    chain = Chain([a, b])

    chain.prepend(b)
    chain.prepend(c)

    assert list(chain) == [c, b, a]


@pytest.mark.parametrize(
    ("operation", "existing", "expected"),
    [
        ("insert_before", b, [a, c, b]),
        ("insert_before", named("absent"), [c, a, b]),
        ("insert_after", a, [a, c, b]),
        ("insert_after", named("absent"), [a, b, c]),
    ],
)
def test_inserts_beside_another_or_at_the_edge(operation, existing, expected):
    chain = Chain([a, b])

    getattr(chain, operation)(existing, c)

    assert list(chain) == expected


def test_inserting_what_is_there_moves_it():
    chain = Chain([a, b, c])

    chain.insert_before(a, c)
    chain.insert_after(a, a)

    assert list(chain) == [c, a, b]


def test_removes_clears_counts_and_contains():
    chain = Chain([a, b])

    chain.remove(a)
    chain.remove(c)

    assert (a in chain, b in chain, len(chain), bool(chain)) == (False, True, 1, True)
    chain.clear()
    assert not chain


def test_a_copy_changes_on_its_own():
    chain = Chain([a])
    copy = chain.copy()

    copy.add(b)

    assert list(chain) == [a]
    assert list(copy) == [a, b]


def test_serves_as_a_decorator():
    chain = Chain()

    decorated = chain(a)

    assert decorated is a
    assert list(chain) == [a]


def test_refuses_classes_and_what_cannot_be_called():
    with pytest.raises(ConfigurationError, match="is a class: add an instance"):
        Chain().add(object)
    with pytest.raises(ConfigurationError, match="must be callable"):
        Chain().prepend("name")
