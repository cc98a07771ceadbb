"""What is given to a job arrives as it was given, or is refused where it is given."""

import dataclasses
import enum
import functools
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidelong import ArgumentError, Job, JobClass, JobDefinitionError, Sidelong
from sidelong.core.serialization import check_arguments, dumps, loads
from tests.unit.client import forward_references

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Shade(enum.StrEnum):
    DARK = "dark"


@dataclass
class Line:
    sku: str
    price: Decimal
    count: int = 1


@dataclass(frozen=True)
class Order:
    id: UUID
    placed: datetime
    lines: list[Line] = field(default_factory=list)
    note: str | None = None
    extra: Any = None


class Point(msgspec.Struct):
    x: float
    y: float = 0.0


class Silent(msgspec.Struct, eq=False):
    number: int


class Circle(msgspec.Struct, tag=True):
    radius: float


class Square(msgspec.Struct, tag=True):
    side: float


class Place(NamedTuple):
    name: str
    at: date


class Note(TypedDict):
    text: str
    day: date


@dataclass
class Even:
    number: int

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError(f"{self.number} is odd")


class Unknown:
    """Nothing that a payload could become."""


def job_of(annotation: Any, **options: Any) -> Job[..., Any]:
    """Return a job whose one parameter, `value`, has this annotation."""

    async def work(value: Any) -> Any:
        return value

    work.__annotations__ = {"value": annotation}
    return Sidelong("memory://").job(name="work", **options)(work)


def arrival(job: Job[..., Any], *args: Any) -> list[Any]:
    """Return what the job is called with, after the arguments were in a payload."""
    sent = job.bind(args)
    check_arguments(sent)
    return list(job.convert(loads(dumps(sent))))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(timezones=st.none() | offsets)
decimals = st.decimals(allow_nan=False)
floats = st.floats(allow_nan=False, allow_infinity=False)
lines = st.builds(Line, texts, decimals, st.integers())
orders = st.builds(Order, st.uuids(), moments, st.lists(lines, max_size=2), st.none() | texts, st.none() | texts)
simple: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(),
    float: floats,
    str: texts,
    bool: st.booleans(),
    bytes: st.binary(max_size=5),
    datetime: moments,
    date: st.dates(),
    time: st.times(),
    timedelta: st.timedeltas(timedelta(days=-9999), timedelta(days=9999)),
    UUID: st.uuids(),
    Decimal: decimals,
    Colour: st.sampled_from(Colour),
    Size: st.sampled_from(Size),
    Shade: st.sampled_from(Shade),
    Line: lines,
    Order: orders,
    Point: st.builds(Point, floats, floats),
    Circle | Square: st.builds(Circle, floats) | st.builds(Square, floats),
    Place: st.builds(Place, texts, st.dates()),
    Note: st.fixed_dictionaries({"text": texts, "day": st.dates()}),
    Any: st.recursive(
        st.none() | st.booleans() | st.integers() | floats | texts,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
        max_leaves=4,
    ),
}
hashable = [int, str, date, UUID, Colour, Shade]


@st.composite
def annotated(draw: st.DrawFn) -> tuple[Any, Any]:
    """Draw an annotation, and a value that it describes."""
    kind = draw(st.sampled_from(list(simple)))
    values = simple[kind]
    match draw(st.sampled_from(["plain", "list", "tuple", "dict", "optional", "set", "keys"])):
        case "list":
            return list[kind], draw(st.lists(values, max_size=3))
        case "tuple":
            return tuple[kind, ...], tuple(draw(st.lists(values, max_size=3)))
        case "dict":
            return dict[str, kind], draw(st.dictionaries(texts, values, max_size=3))
        case "optional":
            return kind | None, draw(st.none() | values)
        case "set":
            kind = draw(st.sampled_from(hashable))
            return set[kind], draw(st.sets(simple[kind], max_size=3))
        case "keys":
            key = draw(st.sampled_from(hashable))
            return dict[key, kind], draw(st.dictionaries(simple[key], values, max_size=3))
        case _:
            return kind, draw(values)


anything = st.one_of(
    *(pair for pair in simple.values()),
    annotated().map(lambda pair: pair[1]),
    st.sampled_from([math.nan, {1: 2}, {1, 2}, (1,), [(1,)], {"a": {1}}, Decimal("nan"), Unknown(), b"x", 2**60 + 1]),
)


@settings(max_examples=400)
@given(annotated())
def test_what_the_annotation_describes_arrives_as_it_was_given(pair: tuple[Any, Any]) -> None:
    annotation, value = pair
    job = job_of(annotation)

    (arrived,) = arrival(job, value)

    assert arrived == value
    assert type(arrived) is type(value)


@settings(max_examples=400)
@given(annotated(), anything)
def test_anything_else_arrives_as_it_was_given_or_is_refused(pair: tuple[Any, Any], value: Any) -> None:
    job = job_of(pair[0])

    try:
        (arrived,) = arrival(job, value)
    except ArgumentError:
        return

    if arrived != value:
        # It was given in the form that JSON has of it: again it is the same.
        check_arguments([value])
        assert arrival(job, arrived) == [arrived]


@pytest.mark.parametrize(
    ("annotation", "value", "words"),
    [
        (int, "abc", "work: value does not fit int: Expected `int`, got `str`"),
        (int, True, "got `bool`"),
        (str, 5, "got `int`"),
        (list[int], [1, "2"], r"value\[1\] does not fit list\[int\]: Expected `int`, got `str`"),
        (dict[str, list[int]], {"a": ["x"]}, r"value\[\.\.\.\]\[0\] does not fit"),
        (datetime, "tomorrow", "value does not fit datetime.datetime: Invalid RFC3339 encoded datetime"),
        (Annotated[datetime, msgspec.Meta(tz=True)], datetime(2026, 5, 1), "timezone"),
        (date, NOON, "does not fit"),
        (UUID, "x", "Invalid UUID"),
        (Decimal, "many", "Invalid decimal"),
        (Colour, "a secret", "Invalid enum value$"),
        (Colour, None, "got `null`"),
        (Order, Order(uuid4(), NOON, [Line("a", "much")]), r"value\.lines\[0\]\.price does not fit .*Order"),
        (Order, Order(uuid4(), NOON, extra={1, 2}), "value.extra is of type set and would arrive as list"),
        (Order, Order(uuid4(), NOON, extra={1: 2}), "a key of value.extra is of type int and would arrive as str"),
        (Order, Order(uuid4(), NOON, extra=NOON), "value.extra is of type datetime and would arrive as str"),
        (Order, Order(uuid4(), NOON, extra=Shade.DARK), "value.extra is of type Shade and would arrive as str"),
        (Order, Order(uuid4(), NOON, extra=Unknown()), "'value' cannot travel as JSON: .*Unknown"),
        (Point, Point(math.nan), "got `null`, which also stands for NaN and infinity"),
        (float | None, Point(1.0), "does not fit"),
        (dict[int, date], {1: NOON.date(), "1": NOON.date()}, "would arrive with 1 keys in place of 2"),
        (Literal["a", "b"], "c", "Invalid enum value$"),
        (datetime, datetime(1900, 1, 1, tzinfo=ZoneInfo("Europe/Amsterdam")), "would arrive as another datetime"),
    ],
)
def test_refuses_what_does_not_fit_and_names_job_and_parameter(annotation: Any, value: Any, words: str) -> None:
    job = job_of(annotation)

    with pytest.raises(ArgumentError, match=words) as caught:
        job.bind([value])

    assert str(caught.value).startswith("work: ")
    assert "secret" not in str(caught.value)


async def test_every_verb_refuses_a_wrong_argument_before_anything_is_stored(app: Sidelong, pusher: Any) -> None:
    @app.job(name="remind")
    async def remind(when: date, count: int = 1) -> None: ...

    for refused in (
        lambda: remind.enqueue("soon"),
        lambda: remind.enqueue(when=date.today(), count="two"),
        lambda: remind.enqueue_in(5, "soon"),
        lambda: remind.enqueue_at(NOON, "soon"),
        lambda: remind.with_options(queue="low").enqueue("soon"),
        lambda: remind.inline("soon"),
        lambda: app.enqueue("remind", "soon"),
    ):
        with pytest.raises(ArgumentError, match=r"remind: (when|count) does not fit"):
            await refused()
    with pytest.raises(ArgumentError, match="element 1: remind: when does not fit"):
        await remind.enqueue_many([(date.today(),), ("soon",)])

    assert pusher.pushes == []


async def test_payloads_hold_what_sidekiq_would_store(app: Sidelong, pusher: Any) -> None:
    @app.job
    async def work(first: Order, *rest: date | int | None) -> None: ...

    order = Order(UUID(int=1), NOON, [Line("a", Decimal("1.10"))])

    await work.enqueue(order, date.max, 5, None)

    assert pusher.payload["args"] == [
        {
            "id": "00000000-0000-0000-0000-000000000001",
            "placed": "2026-05-01T12:00:00Z",
            "lines": [{"sku": "a", "price": "1.10", "count": 1}],
            "note": None,
            "extra": None,
        },
        "9999-12-31",
        5,
        None,
    ]


async def test_all_kinds_of_parameters_are_converted(app: Sidelong) -> None:
    seen: list[Any] = []

    @app.job
    async def work(day: date, colour: Colour = Colour.RED, /, *more: Decimal) -> None:
        seen.append((day, colour, *more))

    for args in ((date.min,), (date.min, Colour.BLUE), (date.min, Colour.BLUE, Decimal(1), Decimal(2))):
        await work.inline(*args)

    assert seen == [
        (date.min, Colour.RED),
        (date.min, Colour.BLUE),
        (date.min, Colour.BLUE, Decimal(1), Decimal(2)),
    ]


async def test_a_default_in_the_middle_is_sent_as_well(app: Sidelong) -> None:
    @app.job
    async def work(day: date = date.max, name: str = None, count: int = 1) -> Any:  # type: ignore[assignment]  # noqa: RUF013
        return day, name, count

    assert await work.inline(count=5) == (date.max, None, 5)


async def test_methods_partials_and_callable_objects_are_converted(app: Sidelong) -> None:
    class Clock:
        def tell(self, day: date) -> date:
            return day

        async def __call__(self, day: date) -> date:
            return day

    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def wrapper(*args: Any) -> Any:
            return await function(*args)

        return wrapper

    async def add(days: timedelta, day: date) -> date:
        return day + days

    @app.job
    class Order(JobClass):
        async def perform(self, day: date) -> date:
            return day

    @app.job
    @logged
    async def wrapped(day: date) -> date:
        return day

    today = date.today()
    method = app.job(Clock().tell)
    instance = app.job(name="clock")(Clock())
    partial = app.job(name="partial")(functools.partial(add, timedelta(0)))

    for job in (Order, wrapped, method, instance, partial):
        assert await job.inline(today) == today


async def test_without_types_arguments_are_json(app: Sidelong) -> None:
    @app.job(typed=False)
    async def work(value: date) -> Any:
        return value

    assert await work.inline("2026-05-01") == "2026-05-01"
    with pytest.raises(ArgumentError, match="is of type date: only None"):
        await work.inline(date.today())


def test_types_may_be_turned_off_for_classes_and_for_all_jobs() -> None:
    app = Sidelong("memory://", default_job_options={"typed": False})

    @app.job(name="off")
    class Off(JobClass):
        async def perform(self, value: Line | Order) -> None: ...

    @app.job(name="on", typed=True)
    async def on(value: date) -> None: ...

    assert app.registry.get("off").convert([{"id": 1}]) == [{"id": 1}]
    assert list(app.registry.get("on").convert(["2026-05-01"])) == [date(2026, 5, 1)]
    assert "typed" not in app.registry.get("off").payload_head()


def test_options_that_stay_with_the_definition_are_refused_for_one_push(app: Sidelong) -> None:
    @app.job
    async def work() -> None: ...

    with pytest.raises(ValueError, match="typed does not travel: give it where the job is defined"):
        work.with_options(typed=False)
    with pytest.raises(ValueError, match="transient does not travel"):
        work.with_options(transient=[OSError])


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Any, NOON),
        (object, {1, 2}),
        (list, [NOON]),
        (Iterable[date], [NOON]),
        (Sequence[int], (1, 2)),
        (dict[str, Any], {"when": NOON}),
        (Mapping[str, Any], {"who": Shade.DARK}),
    ],
)
def test_what_an_annotation_leaves_open_must_be_json(annotation: Any, value: Any) -> None:
    job = job_of(annotation)

    with pytest.raises(ArgumentError, match="a job's parameter may be annotated with another type"):
        arrival(job, value)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (Unknown, "nothing in JSON stands for Unknown"),
        (list[Unknown], "nothing in JSON stands for Unknown"),
        (Callable[[], None], "nothing in JSON stands for Callable"),
        (Line | Order, "more than one dataclass"),
        (str | datetime, "more than one str-like type"),
    ],
)
def test_refuses_at_the_definition_what_no_payload_can_become(annotation: Any, words: str) -> None:
    with pytest.raises(JobDefinitionError, match=words) as caught:
        job_of(annotation)

    assert "'value'" in str(caught.value)
    assert "or define the job with typed=False" in str(caught.value)


async def test_a_parameter_that_is_given_by_direct_calls_only_may_be_of_any_class(app: Sidelong) -> None:
    @app.job
    async def work(day: date, client: Unknown | None = None) -> Any:
        return day, client

    assert await work.inline(date.max) == (date.max, None)


async def test_an_annotation_is_resolved_when_its_names_are_there(
    app: Sidelong, caplog: pytest.LogCaptureFixture
) -> None:
    visit = app.job(forward_references.visit)
    place = forward_references.Place("Ulm", forward_references.Place("Germany"))

    with caplog.at_level(logging.WARNING, "sidelong"):
        arrived = await visit.inline(place, "2026-05-01", 3)

    assert arrived == (place, "2026-05-01", 3)
    assert "annotation date of 'day' cannot be resolved" in caplog.text
    with pytest.raises(ArgumentError, match="count does not fit int"):
        visit.bind((place, "2026-05-01", "3"))


def test_too_few_or_too_many_arguments_of_a_payload_are_left_for_the_call_to_refuse(app: Sidelong) -> None:
    @app.job
    async def work(day: date, count: int = 1) -> None: ...

    assert list(work.convert([])) == []
    assert list(work.convert(["2026-05-01", 2, "more"])) == [date(2026, 5, 1), 2, "more"]


def test_what_user_code_raises_about_a_value_is_the_cause() -> None:
    job = job_of(Even)

    with pytest.raises(ArgumentError, match=r"work: value does not fit .*Even: 3 is odd") as caught:
        job.convert([{"number": 3}])

    assert isinstance(caught.value.__cause__, ValueError)


def test_an_instant_in_an_hour_that_a_zone_has_twice_arrives() -> None:
    job = job_of(datetime)
    second = datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))

    (arrived,) = arrival(job, second)

    assert arrived.timestamp() == second.timestamp()


def test_subclasses_of_dates_and_ids_arrive_as_the_plain_ones() -> None:
    class DriverID(UUID):
        """As database drivers make them."""

    class Stamp(datetime):
        """As libraries for dates and for tests make them."""

    value = DriverID(int=7)

    assert arrival(job_of(UUID), value) == [UUID(int=7)]
    assert arrival(job_of(datetime), Stamp(2026, 5, 1, tzinfo=UTC)) == [datetime(2026, 5, 1, tzinfo=UTC)]


def test_objects_that_cannot_be_compared_arrive_all_the_same() -> None:
    (arrived,) = arrival(job_of(Silent), Silent(5))

    assert arrived.number == 5


def test_the_form_that_json_has_of_a_value_is_taken_for_it() -> None:
    job = job_of(Line)

    (arrived,) = arrival(job, {"sku": "a", "price": 1.5})

    assert arrived == Line("a", Decimal("1.5"))
    assert dataclasses.is_dataclass(arrived)
