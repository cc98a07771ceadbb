"""Every setting with its default, frozen once the application is built."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypedDict

from sidelong.core.options import DEFAULT_QUEUE
from sidelong.core.queue_names import Queue, Queues, parse_queues, refuse_shared_queues
from sidelong.core.setting_checks import (
    address_or_nothing,
    exception_classes,
    one_of,
    options,
    seconds,
    text,
    text_or_none,
    texts,
    true_or_false,
    whole_number,
)
from sidelong.errors import ConfigurationError

DEFAULT_CAPSULE: Final = "default"
DEFAULT_REDIS_URL: Final = "redis://localhost:6379/0"
LOG_FORMATS: Final = ("auto", "pretty", "plain", "json")
EVENT_LOOPS: Final = ("auto", "asyncio", "uvloop")


@dataclass(frozen=True, slots=True, init=False)
class Capsule:
    """Queues that are served together with a concurrency of their own.

    Args:
        name: how logs and the process record call it.
        concurrency: how many of its jobs run at once.
        queues: its queues, as `"name"`, `"name,weight"` or `("name", weight)`.

    Attributes:
        queues: names with weights, in order.

    Raises:
        ConfigurationError: one of them cannot work.
    """

    name: str
    concurrency: int
    queues: Queues

    def __init__(self, *, name: str, concurrency: int, queues: Iterable[Queue]) -> None:
        if not isinstance(name, str) or not name:
            raise ConfigurationError(f"a capsule's name must be a non-empty string, not {name!r}")
        try:
            parsed = parse_queues(queues)
            checked = whole_number(1)("concurrency", concurrency)
        except ConfigurationError as error:
            raise ConfigurationError(f"capsule {name!r}: {error}") from None
        if not parsed:
            raise ConfigurationError(f"capsule {name!r} has no queues")
        # Frozen for everyone else.
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "concurrency", checked)
        object.__setattr__(self, "queues", parsed)


class Settings(TypedDict, total=False):
    """What `Sidelong(...)` and `app.worker(...)` take: the fields of `Config` but the address."""

    concurrency: int
    queues: Sequence[Queue]
    capsules: Sequence[Capsule]
    timeout: float
    cancel_grace: float
    max_retries: int
    default_job_options: Mapping[str, Any]
    transient: Sequence[type[Exception]]
    payload_warn: int
    payload_limit: int
    dead_max_jobs: int
    dead_timeout: float
    block_time: float
    poll_interval: float
    beat_interval: float
    lease_ttl: float
    process_ttl: float
    recovery_interval: float
    recovery_grace: float
    lag_threshold: float
    batch_limit: int
    crash_limit: int
    crash_window: float
    connect_timeout: float
    answer_timeout: float
    hostname: str | None
    tag: str
    labels: Sequence[str]
    event_loop: str
    log_format: str
    job_logging: bool
    health: str
    metrics: bool
    sidekiq7_metrics: bool
    sidekiq8_metrics: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings of one application and its workers; durations are in seconds, sizes in bytes.

    Raises:
        ConfigurationError: a setting cannot work; the message says which and why.
    """

    # It may hold a password, and this class is shown in logs and tracebacks.
    redis_url: str = field(default=DEFAULT_REDIS_URL, repr=False)

    # What a worker serves.
    concurrency: int = 10
    queues: Queues = ()
    """Empty: the queues of all registered jobs, and `default`."""
    capsules: tuple[Capsule, ...] = ()
    """Served beside the default capsule, which `concurrency` and `queues` describe."""
    timeout: float = 25.0
    """How long a stopping worker waits for running jobs before it cancels them."""
    cancel_grace: float = 3.0
    """How long a cancelled job may clean up."""

    # What jobs do unless they say otherwise.
    max_retries: int = 25
    default_job_options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    transient: tuple[type[Exception], ...] = ()
    """Error handlers hear of these only once no retry is left; a job may name more."""
    payload_warn: int = 100_000
    payload_limit: int = 10_000_000

    # The dead set keeps at most `dead_max_jobs - 1` entries, as Sidekiq's does.
    dead_max_jobs: int = 10_000
    dead_timeout: float = 15_552_000.0

    # How often a worker looks, and how long it waits.
    block_time: float = 2.0
    poll_interval: float = 1.0
    beat_interval: float = 5.0
    lease_ttl: float = 20.0
    process_ttl: float = 60.0
    recovery_interval: float = 5.0
    recovery_grace: float = 15.0
    lag_threshold: float = 1.0
    batch_limit: int = 200
    """The most entries one take-and-settle call handles."""

    # When a job that was running in crashed processes is buried.
    crash_limit: int = 3
    crash_window: float = 259_200.0

    # Talking to Redis.
    connect_timeout: float = 3.0
    answer_timeout: float = 5.0

    # How the process record names this worker.
    hostname: str | None = None
    tag: str = ""
    labels: tuple[str, ...] = ()

    # What a process runs on.
    event_loop: str = "auto"
    """What `sidelong run` makes, one of `EVENT_LOOPS`; auto is uvloop where it is installed."""

    # What a worker logs.
    log_format: str = "auto"
    """How `sidelong run` writes its log: one of `LOG_FORMATS`; auto is pretty on a terminal and plain elsewhere."""
    job_logging: bool = True
    """Whether each job is logged when it starts and when it ends."""

    # What a worker tells those who watch over it.
    health: str = ""
    """Where `sidelong run` answers probes over HTTP, as HOST:PORT; empty for nowhere."""

    # What a worker counts.
    metrics: bool = True
    """Whether executions are counted by class and queue; the totals always are."""
    sidekiq7_metrics: bool = True
    """Whether the Metrics page of Sidekiq 7 shows them as well."""
    sidekiq8_metrics: bool = True
    """Whether that of Sidekiq 8 does."""

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            object.__setattr__(self, name, check(name, getattr(self, name)))
        if self.lease_ttl <= 2 * self.beat_interval:
            raise ConfigurationError("lease_ttl must be more than two beat intervals (beat_interval)")
        names = [capsule.name for capsule in self.capsules]
        if DEFAULT_CAPSULE in names or len(set(names)) != len(names):
            raise ConfigurationError("capsules need names of their own, other than 'default'")
        refuse_shared_queues(
            [(DEFAULT_CAPSULE, self.queues), *((capsule.name, capsule.queues) for capsule in self.capsules)]
        )

    def all_capsules(self, registered: tuple[str, ...] = ()) -> tuple[Capsule, ...]:
        """Return the default capsule, then the others; without the default one where they leave it nothing.

        Args:
            registered: queues of the registered jobs, served when `queues` is empty.
        """
        queues = self.queues or self._left_over(registered)
        if not queues:
            return self.capsules
        return (Capsule(name=DEFAULT_CAPSULE, concurrency=self.concurrency, queues=queues), *self.capsules)

    def _left_over(self, registered: tuple[str, ...]) -> Queues:
        """Return the queues of the jobs that no capsule names, with equal shares."""
        elsewhere = {name for capsule in self.capsules for name, _ in capsule.queues}
        names = [name for name in dict.fromkeys((*registered, DEFAULT_QUEUE)) if name not in elsewhere]
        return tuple((name, int(len(names) > 1)) for name in names)


def check_setting(name: str, value: Any, *, called: str) -> Any:
    """Return the value of one setting as `Config` keeps it.

    Args:
        name: the setting.
        value: what was given.
        called: how messages call it.

    Raises:
        ConfigurationError: it cannot work.
    """
    return _CHECKS[name](called, value)


def _url(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    # It may hold a password.
    raise ConfigurationError(f"{name} must be one string, not {type(value).__name__}")


def _queues(name: str, value: Any) -> Queues:
    return parse_queues(value)


def _capsules(name: str, value: Any) -> tuple[Capsule, ...]:
    if isinstance(value, list | tuple) and all(isinstance(capsule, Capsule) for capsule in value):
        return tuple(value)
    raise ConfigurationError(f"{name} must be a list of Capsule(name=..., concurrency=..., queues=...), not {value!r}")


_INSTANT: Final = 0.001
# Redis before 7.0.8 takes a block time of 1 ms for ever.
_LEAST_BLOCK_TIME: Final = 0.01

_CHECKS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    "redis_url": _url,
    "concurrency": whole_number(1),
    "queues": _queues,
    "capsules": _capsules,
    "timeout": seconds(0),
    "cancel_grace": seconds(0),
    "max_retries": whole_number(0),
    "default_job_options": options,
    "transient": exception_classes,
    "payload_warn": whole_number(1),
    "payload_limit": whole_number(1),
    "dead_max_jobs": whole_number(1),
    "dead_timeout": seconds(0),
    "block_time": seconds(_LEAST_BLOCK_TIME),
    "poll_interval": seconds(_INSTANT),
    "beat_interval": seconds(_INSTANT),
    "lease_ttl": seconds(_INSTANT),
    "process_ttl": seconds(_INSTANT),
    "recovery_interval": seconds(_INSTANT),
    "recovery_grace": seconds(0),
    "lag_threshold": seconds(_INSTANT),
    "batch_limit": whole_number(1),
    "crash_limit": whole_number(1),
    "crash_window": seconds(0),
    "connect_timeout": seconds(_INSTANT),
    "answer_timeout": seconds(_INSTANT),
    "hostname": text_or_none,
    "tag": text,
    "labels": texts,
    "event_loop": one_of(EVENT_LOOPS),
    "log_format": one_of(LOG_FORMATS),
    "job_logging": true_or_false,
    "health": address_or_nothing,
    "metrics": true_or_false,
    "sidekiq7_metrics": true_or_false,
    "sidekiq8_metrics": true_or_false,
}
