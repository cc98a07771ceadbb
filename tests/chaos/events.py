"""What the processes of a run tell the ledger; everything that the checker knows, but for the final Redis dump.

`Event.extra` is made of `key=value` words, see `words` and `told`. What `tests.support.ledger` names as well
(START, END, FAIL, READY, KILLED) means here what it means there; START has `attempt`.
"""

from tests.support.failpoints import FAILPOINT
from tests.support.ledger import END, FAIL, KILLED, READY, START

__all__ = ["END", "FAIL", "FAILPOINT", "KILLED", "READY", "START"]

# Producers. A push that was refused was not stored, and is tried again under the same jid.

PUSH = "PUSH"
"""A job is about to be pushed: `job`, and its course if nothing but faults happens to it: `acks` (how often settling
it counts as processed), `fails` (how often as failed), `ends` (`done`, `dead` or `gone`: its last place), `queue`."""
PUSHED = "PUSHED"
"""The push returned: from now on the job may not be lost. It may come without PUSH before; then it has its words."""
UNSURE = "UNSURE"
"""The push raised EnqueueUncertain: the job may have been stored or not."""
REFUSED = "REFUSED"
"""The push raised NotEnqueued: the job was not stored by this attempt."""

# Jobs with steps. `step` is the number of a step, and `run` names one run of the job's body.

ASKING = "ASKING"
"""A run is about to begin a step: what had ended by now, it must be told: `step`, `run`."""
STEP = "STEP"
"""It was told that the step has not finished, and begins its work: `step`, `run`."""
STEPPED = "STEPPED"
"""The block of the step has ended in order: `step`, `run`, `result`."""

# Workers. `who` is an identity; one process may have several, one after the other.

LIFE = "LIFE"
"""An identity begins to serve: `who`."""
TICK = "TICK"
"""A thread of this process that does nothing else gets to run; it does several times a second."""
BEATING = "BEATING"
"""A heartbeat of this process is about to be sent: `who`."""
BEAT = "BEAT"
"""A heartbeat of this process was answered: `who`."""
SETTLED = "SETTLED"
"""Redis said that a delivery was settled by this process: `how` is done, called-off, dropped, dead, bury, retry or
back."""
LOST = "LOST"
"""Redis said that a delivery was not this process's any more; nothing was written for it."""
ORPHAN = "ORPHAN"
"""The audit found a payload whose reply was lost, and hands it back."""
DECLARED = "DECLARED"
"""This process declared an identity dead and begins to recover its jobs: `who`."""
RECOVERED = "RECOVERED"
"""This process moved a job out of a dead one's list: `who` was the owner, `to` is queue, dead or drop."""
FENCED = "FENCED"
"""This process learned that others took it for dead: `who`."""

# The runner. `pid` is the process it concerns.

STOPPING = "STOPPING"
"""SIGTERM was sent to a worker: `pid`."""
EXITED = "EXITED"
"""A worker ended otherwise than by SIGKILL: `pid`, `status`."""
FROZEN = "FROZEN"
"""A worker was stopped in its tracks: `pid`."""
THAWED = "THAWED"
"""It goes on: `pid`."""
CUT_OFF = "CUT_OFF"
"""A worker's link to Redis went silent: `pid`."""
REJOINED = "REJOINED"
"""The link works again: `pid`."""
REDIS_DIED = "REDIS_DIED"
"""Redis, or the master, was killed: `keeps` is what it promises to have kept: `all`, `second` (all but the last one)
or `replica` (what a replica had)."""
REDIS_DOWN = "REDIS_DOWN"
"""Redis is away, stands still, or refuses to write."""
REDIS_UP = "REDIS_UP"
"""It is back."""
CUT = "CUT"
"""Connections were cut or reset by a proxy: `count`."""
MALFORMED = "MALFORMED"
"""A payload that is no job is about to be put into Redis; `mark` stands in its bytes, as UTF-8 or UTF-16."""
RESUMED = "RESUMED"
"""Work went on after a failover: `pushed` and `begun`, in seconds after the election."""
CALLING_OFF = "CALLING_OFF"
"""A job is about to be called off."""
CALLED_OFF = "CALLED_OFF"
"""Calling it off was answered: `how` is removed, cancelled, told, not_found or unanswered, or unknown if it failed;
`where` it waited, or who has it."""
PAUSED = "PAUSED"
"""A queue was paused: `queue`."""
HELD = "HELD"
"""A job waits in a queue that was paused at least two seconds ago: `queue`."""
UNPAUSING = "UNPAUSING"
"""The pause of a queue is about to be ended: `queue`."""
NEMESIS = "NEMESIS"
"""A fault begins or ends: `name`, `is` (begin or end); free words may follow."""
QUIET = "QUIET"
"""All faults are healed; from here on the run only has to come to rest."""
RESTED = "RESTED"
"""Nothing waits, runs or is due any more; `after` in seconds, `left` is a number of jobs if the limit passed first."""
SAMPLE = "SAMPLE"
"""What a worker uses: `pid`, `rss` (kB), `fds`, `threads`, `cpu` (seconds so far), `log` (bytes so far)."""


def words(**values: object) -> str:
    """Return `key=value` words for `Ledger.write`; blanks in values become underscores."""
    return " ".join(f"{key}={'_'.join(str(value).split())}" for key, value in values.items())


def told(extra: str) -> dict[str, str]:
    """Return what `words` has written."""
    return dict(word.split("=", 1) for word in extra.split() if "=" in word)
