"""Every key, with its type and expiry: the wire format in one table.

Names without a prefix are Sidekiq's (wire-format §2); those under `sidelong:` are our own.
"""

from dataclasses import dataclass

QUEUES = "queues"
SCHEDULE = "schedule"
RETRY = "retry"
DEAD = "dead"
PROCESSES = "processes"
PROCESSED = "stat:processed"
FAILED = "stat:failed"
OWNERS = "sidelong:owners"
BURIED = "sidelong:buried"
RECOVERY_LOCK = "sidelong:recovery"

DAILY_TTL = 157_680_000
"""Daily counters live five years after their last write, in seconds."""
DAY = 86_400


def queue(name: str) -> str:
    """List of waiting jobs; the newest is on the left, the next to be fetched on the right."""
    return f"queue:{name}"


def inflight(identity: str, queue_name: str) -> str:
    """List of the raw payloads that one worker is running."""
    return f"sidelong:inflight:{identity}:{queue_name}"


def lease(identity: str) -> str:
    """Beat counter of a living worker; its absence is what death looks like."""
    return f"sidelong:lease:{identity}"


def owner_queues(identity: str) -> str:
    """Set of the queue names that an owner fetches from: key names are never parsed.

    Only who looks for lost owners cuts this prefix off; what follows it is the identity as it is.
    """
    return f"sidelong:owner-queues:{identity}"


def settled(identity: str) -> str:
    """Hash of capsule name to the last batch number and its result."""
    return f"sidelong:settled:{identity}"


def alone(identity: str) -> str:
    """Jid of the job that a worker last ran alone, because two crashes pointed at it."""
    return f"sidelong:alone:{identity}"


def process(identity: str) -> str:
    """Hash that Sidekiq's pages read: one heartbeat."""
    return identity


def work(identity: str) -> str:
    """Hash of running jobs, for Sidekiq 6.4.2 and later."""
    return f"{identity}:work"


def workers(identity: str) -> str:
    """Hash of running jobs, for Sidekiq up to 6.4.1."""
    return f"{identity}:workers"


def signals(identity: str) -> str:
    """List of remote signals that wait for a process."""
    return f"{identity}-signals"


def daily(counter: str, day: str) -> str:
    """Counter of one UTC day, `YYYY-MM-DD`."""
    return f"{counter}:{day}"


@dataclass(frozen=True, slots=True)
class Key:
    """One row of the catalogue.

    Attributes:
        pattern: regular expression that matches the whole key.
        type: as Redis' TYPE names it.
        ttl: the longest expiry in seconds; None for keys that stay or empty themselves.
    """

    pattern: str
    type: str
    ttl: float | None = None


_IDENTITY = r"[^:]+:\d+:[0-9a-f]{12}"

CATALOGUE = (
    Key(r"queues", "set"),
    Key(r"queue:.+", "list"),
    Key(r"schedule|retry|dead", "zset"),
    Key(r"processes", "set"),
    Key(_IDENTITY, "hash", 60),
    Key(rf"{_IDENTITY}:(work|workers)", "hash", 60),
    Key(rf"{_IDENTITY}-signals", "list", 60),
    Key(r"stat:(processed|failed)", "string"),
    Key(r"stat:(processed|failed):\d{4}-\d\d-\d\d", "string", DAILY_TTL),
    Key(r"sidelong:owners", "set"),
    Key(rf"sidelong:lease:{_IDENTITY}", "string", 20),
    # It stays while its owner has jobs in flight, and a day longer once the owner is buried.
    Key(rf"sidelong:owner-queues:{_IDENTITY}", "set"),
    Key(rf"sidelong:inflight:{_IDENTITY}:.+", "list"),
    Key(rf"sidelong:settled:{_IDENTITY}", "hash", DAY),
    Key(rf"sidelong:alone:{_IDENTITY}", "string", DAY),
    Key(r"sidelong:buried", "zset", DAY),
    Key(r"sidelong:recovery", "string", 60),
)

ACCESS_PATTERNS = (
    "queue:*",
    "sidelong:*",
    "stat:*",
    QUEUES,
    SCHEDULE,
    RETRY,
    DEAD,
    PROCESSES,
    # Records of processes, which begin with a host name.
    "*:[0-9]*:*",
)
"""Patterns of the published rules of access, the first that matches a key being the one that allows it."""
