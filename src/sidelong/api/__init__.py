"""Look at what Redis holds, and steer it, from any process.

All of it is a point in time: for operators and their tools, not for the logic of jobs.
"""

from sidelong.api.bulk import BulkOutcome
from sidelong.api.deploys import Deploy, Deploys
from sidelong.api.entries import Entry
from sidelong.api.filters import Filter
from sidelong.api.groups import Grouping, Groups, JobGroup
from sidelong.api.history import JobEvent, history_of
from sidelong.api.job_set import JobSet
from sidelong.api.keyspace import KeyPage, Keyspace
from sidelong.api.memory import redis_memory
from sidelong.api.metrics import Metrics, MetricsReport, Series
from sidelong.api.processes import Process, ProcessSet
from sidelong.api.queues import Queue, QueuedJob
from sidelong.api.reasons import Reason, Reasons
from sidelong.api.records import JobRecord
from sidelong.api.server import redis_facts, redis_troubles
from sidelong.api.sets import DeadSet, RetrySet, ScheduledSet
from sidelong.api.stats import Figures, History, QueueSummary, Stats
from sidelong.api.work import Work, WorkSet
from sidelong.core.job_figures import JobFigures
from sidelong.store.key_browser import Elements, Part, StoredKey
from sidelong.store.memory import Memory
from sidelong.store.server_facts import ServerFacts

__all__ = [
    "BulkOutcome",
    "DeadSet",
    "Deploy",
    "Deploys",
    "Elements",
    "Entry",
    "Figures",
    "Filter",
    "Grouping",
    "Groups",
    "History",
    "JobEvent",
    "JobFigures",
    "JobGroup",
    "JobRecord",
    "JobSet",
    "KeyPage",
    "Keyspace",
    "Memory",
    "Metrics",
    "MetricsReport",
    "Part",
    "Process",
    "ProcessSet",
    "Queue",
    "QueueSummary",
    "QueuedJob",
    "Reason",
    "Reasons",
    "RetrySet",
    "ScheduledSet",
    "Series",
    "ServerFacts",
    "Stats",
    "StoredKey",
    "Work",
    "WorkSet",
    "history_of",
    "redis_facts",
    "redis_memory",
    "redis_troubles",
]
