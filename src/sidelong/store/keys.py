"""Every key, with its type and expiry: the wire format in one table.

Names without a prefix are Sidekiq's (wire-format §2); those under `sidelong:` are our own.
"""

from dataclasses import dataclass
from datetime import datetime

from sidelong.core.steps import LONGEST_TTL

QUEUES = "queues"
SCHEDULE = "schedule"
RETRY = "retry"
DEAD = "dead"
PROCESSES = "processes"
PAUSED = "paused"
PRUNING_LOCK = "process_cleanup"
LEADER = "dear-leader"
PROCESSED = "stat:processed"
FAILED = "stat:failed"
OWNERS = "sidelong:owners"
BURIED = "sidelong:buried"
RECOVERY_LOCK = "sidelong:recovery"
TEST = "sidelong:test"

DAILY_TTL = 157_680_000
"""Daily counters live five years after their last write, in seconds."""
DAY = 86_400
CONTROL_TTL = 60
"""Messages to workers and their answers live a minute, in seconds."""
KEPT_TTL = 300
"""What stays of a queue that is being rewritten outlives whoever does it by five minutes, in seconds."""
MINUTES_TTL = 28_800
"""Figures of one minute live eight hours."""
TEN_MINUTES_TTL = 259_200
"""Those of ten minutes live three days."""
DEPLOYS_TTL = 7_776_000
"""Deploys are remembered for 90 days."""


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


def control(identity: str) -> str:
    """List of messages to one worker, which waits for them."""
    return f"sidelong:control:{identity}"


def answers(question: str) -> str:
    """Hash of identity to what that worker answers to one question."""
    return f"sidelong:answers:{question}"


def kept(rewrite: str) -> str:
    """List of what stays of a queue that is being rewritten, until it takes the place of the queue."""
    return f"sidelong:kept:{rewrite}"


def steps(jid: str) -> str:
    """Hash of the finished steps of a job: name, as a JSON array, to what is remembered of it."""
    return f"sidelong:steps:{jid}"


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


# Execution metrics (wire-format §11). A moment is in UTC; a name of a class or queue may hold anything.


def sidekiq7_minute(moment: datetime) -> str:
    """Hash of `<Class>|p`, `|f` and `|ms` of one minute, for Sidekiq 7."""
    return f"j|{moment:%Y%m%d}|{moment.hour}:{moment.minute}"


def sidekiq8_minute(moment: datetime) -> str:
    """Hash of `<Class>|p`, `|f` and `|ms` of one minute, for Sidekiq 8."""
    return f"j|{moment:%y%m%d}|{moment.hour}:{moment:%M}"


def sidekiq8_ten_minutes(moment: datetime) -> str:
    """The same of ten minutes."""
    return sidekiq8_minute(moment)[:-1]


def sidekiq7_histogram(job_class: str, moment: datetime) -> str:
    """String of 26 counters of 16 bits, of one class in one minute, for Sidekiq 7."""
    return f"{job_class}-{moment:%d-%H}:{moment.minute}"


def sidekiq8_histogram(job_class: str, moment: datetime) -> str:
    """The same for Sidekiq 8."""
    return f"h|{job_class}-{moment.day}-{moment.hour}:{moment.minute}"


def job_metrics(stamp: str) -> str:
    """Hash of what our workers count of every class in one minute or ten; see `minute` and `ten_minutes`."""
    return f"sidelong:jobs:{stamp}"


def queue_metrics(stamp: str) -> str:
    """Hash of what they count of every queue."""
    return f"sidelong:drained:{stamp}"


def histogram(job_class: str, stamp: str) -> str:
    """String of 26 counters of 32 bits, of one class."""
    return f"sidelong:durations:{job_class}:{stamp}"


def flushed(identity: str) -> str:
    """Number of the last batch of figures that a worker has added."""
    return f"sidelong:flushed:{identity}"


def deploys(moment: datetime) -> str:
    """Hash of minute to label: what was deployed on one day."""
    return f"{moment:%Y%m%d}-marks"


def deploy_lock(label: str) -> str:
    """The minute of a deploy that was marked a moment ago."""
    return f"deploylock-{label}"


@dataclass(frozen=True, slots=True)
class Key:
    """One row of the catalogue.

    Attributes:
        name: what it is, in a word.
        pattern: regular expression that matches the whole key.
        type: as Redis' TYPE names it.
        ttl: the longest expiry in seconds; None for keys that stay or empty themselves.
    """

    name: str
    pattern: str
    type: str
    ttl: float | None = None


_DATE = r"\d{4}-\d\d-\d\d"
_IDENTITY = r"[^:]+:\d+:[0-9a-f]{12}"

CATALOGUE = (
    Key("queues", r"queues", "set"),
    Key("queue", r"queue:.+", "list"),
    Key("schedule", r"schedule", "zset"),
    Key("retry", r"retry", "zset"),
    Key("dead", r"dead", "zset"),
    Key("processes", r"processes", "set"),
    Key("paused", r"paused", "set"),
    Key("pruning_lock", r"process_cleanup", "string", 60),
    # Sidekiq Enterprise writes it, with an expiry of its own.
    Key("leader", r"dear-leader", "string"),
    Key("process", _IDENTITY, "hash", 60),
    Key("work", rf"{_IDENTITY}:(work|workers)", "hash", 60),
    Key("signals", rf"{_IDENTITY}-signals", "list", 60),
    Key("counter", r"stat:(processed|failed)", "string"),
    Key("daily_counter", r"stat:(processed|failed):\d{4}-\d\d-\d\d", "string", DAILY_TTL),
    Key("owners", r"sidelong:owners", "set"),
    Key("lease", rf"sidelong:lease:{_IDENTITY}", "string", 20),
    # It stays while its owner has jobs in flight, and a day longer once the owner is buried.
    Key("owner_queues", rf"sidelong:owner-queues:{_IDENTITY}", "set"),
    Key("inflight", rf"sidelong:inflight:{_IDENTITY}:.+", "list"),
    Key("settled", rf"sidelong:settled:{_IDENTITY}", "hash", DAY),
    Key("alone", rf"sidelong:alone:{_IDENTITY}", "string", DAY),
    Key("control", rf"sidelong:control:{_IDENTITY}", "list", CONTROL_TTL),
    Key("answers", r"sidelong:answers:[0-9a-f]{24}", "hash", CONTROL_TTL),
    Key("kept", r"sidelong:kept:[0-9a-f]{24}", "list", KEPT_TTL),
    # The longest life that a step can ask for; 30 days where it does not.
    Key("steps", r"sidelong:steps:.+", "hash", LONGEST_TTL),
    Key("buried", r"sidelong:buried", "zset", DAY),
    Key("recovery_lock", r"sidelong:recovery", "string", 60),
    # Until when a database belongs to a test, which empties it at its end.
    Key("test", r"sidelong:test", "string"),
    Key("minute", r"j\|\d{8}\|\d\d?:\d\d?", "hash", MINUTES_TTL),
    Key("minute", r"j\|\d{6}\|\d\d?:\d\d", "hash", MINUTES_TTL),
    Key("ten_minutes", r"j\|\d{6}\|\d\d?:\d", "hash", TEN_MINUTES_TTL),
    Key("histogram", r"(?!sidelong:|h\|).+-\d\d-\d\d:\d\d?", "string", MINUTES_TTL),
    Key("histogram", r"h\|.+-\d\d?-\d\d?:\d\d?", "string", MINUTES_TTL),
    Key("our_minute", rf"sidelong:(jobs|drained):{_DATE}T\d\d:\d\d", "hash", MINUTES_TTL),
    Key("our_ten_minutes", rf"sidelong:(jobs|drained):{_DATE}T\d\d:\d", "hash", TEN_MINUTES_TTL),
    Key("our_histogram", rf"sidelong:durations:.+:{_DATE}T\d\d:\d\d", "string", MINUTES_TTL),
    Key("our_histogram", rf"sidelong:durations:.+:{_DATE}T\d\d:\d", "string", TEN_MINUTES_TTL),
    Key("flushed", rf"sidelong:flushed:{_IDENTITY}", "string", DAY),
    Key("deploys", r"\d{8}-marks", "hash", DEPLOYS_TTL),
    Key("deploy_lock", r"deploylock-.+", "string", 60),
)
"""What we write."""

OF_RUBY = (
    Key("private_queue", r"queue:sq[|_].+", "list"),
    Key("iteration", r"it-.+", "hash"),
    Key("profiles", r"profiles", "zset"),
    Key("batch", r"b-.+", "hash"),
    Key("batches", r"(dead-)?batches", "zset"),
    Key("limiter", r"lmtr-.+", "hash"),
    Key("unique", r"unique:.+", "string"),
)
"""What only Sidekiq and its commercial editions write; not all types of theirs are known."""

BEGINNINGS = ("queue:", "stat:", "sidelong:inflight:", "sidelong:", "j|", "h|")
"""What many names begin with, for people who look for some."""

ACCESS_PATTERNS = (
    "queue:*",
    "sidelong:*",
    "stat:*",
    QUEUES,
    SCHEDULE,
    RETRY,
    DEAD,
    PROCESSES,
    PAUSED,
    PRUNING_LOCK,
    LEADER,
    # Records of processes, which begin with a host name.
    "*:[0-9]*:*",
    # Execution metrics for Sidekiq's pages; the last one is that of histograms for Sidekiq 7, which have no prefix.
    "j|*",
    "h|*",
    "[0-9]*-marks",
    "deploylock-*",
    "*-[0-9][0-9]-[0-9][0-9]:[0-9]*",
)
"""Patterns of the published rules of access, the first that matches a key being the one that allows it."""
