"""Every exception that Sidelong raises on purpose.

SidelongError
├── ConfigurationError      (ValueError)   a setting, URL or option that cannot work
│   └── SettingSourceError                 it stands in the environment or in the settings file
├── JobDefinitionError      (TypeError)    a function or class that cannot be a job
├── ArgumentError           (TypeError)    an argument that JSON cannot carry, or that does not fit
├── InvalidPayloadError     (ValueError)   a payload that is not a job
├── PayloadTooLargeError    (ValueError)   a payload above the limit
├── PushError                              a push that did not plainly succeed
│   ├── NotEnqueued                        nothing was stored: safe to repeat
│   └── EnqueueUncertain                   it may have been stored
├── NotSteerableError                      a process that takes no signals
├── UnknownJobError         (LookupError)  a wire name that no registered job has
├── EmptyQueueError         (LookupError)  a test would run a job, and none waits
├── JobTimeoutError         (TimeoutError) a job that ran longer than its `timeout`
├── StepError               (RuntimeError) a step of a job that could be done twice, or left out
└── StoreError                             Redis cannot be used as it is
    ├── Unavailable                        no connection; nothing was sent
    ├── ReplyLost                          sent, and no answer came
    ├── Refused                            Redis answered with an error
    └── EndNotReached                      more arrived in a set than could be read
"""

from collections.abc import Sequence


class SidelongError(Exception):
    """Root of everything raised on purpose."""


class ConfigurationError(SidelongError, ValueError):
    """A setting, URL or option cannot work; the message says what to do."""


class SettingSourceError(ConfigurationError):
    """A setting that cannot work, or cannot be read, stands in the environment or in the settings file."""


class JobDefinitionError(SidelongError, TypeError):
    """A function or class cannot be a job; raised where it is decorated."""


class ArgumentError(SidelongError, TypeError):
    """An argument cannot travel as JSON, or does not fit its annotation: where it is given, or found in a payload."""


class InvalidPayloadError(SidelongError, ValueError):
    """A payload is not a job: refused when pushed, buried with this reason when found in Redis."""


class PayloadTooLargeError(SidelongError, ValueError):
    """A payload is larger than `payload_limit`."""


class PushError(SidelongError):
    """A push did not plainly succeed.

    Attributes:
        jids: the ids of the jobs concerned, in the order in which they were given.
        enqueued: ids of jobs of the same call that were stored before the failure.
    """

    def __init__(self, message: str, jids: Sequence[str] = (), enqueued: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.jids = tuple(jids)
        self.enqueued = tuple(enqueued)


class NotEnqueued(PushError):  # noqa: N818 - reads as what happened
    """Nothing was stored: it is safe to push the same job again."""


class EnqueueUncertain(PushError):  # noqa: N818 - reads as what happened
    """The job was sent, but Redis did not answer: it may or may not be stored."""


class NotSteerableError(SidelongError):
    """A process is embedded in another program, which alone may quiet or stop it."""


class UnknownJobError(SidelongError, LookupError):
    """No registered job has this wire name or alias."""


class EmptyQueueError(SidelongError, LookupError):
    """A test asked for a job to be run, and none like it waits."""


class JobTimeoutError(SidelongError, TimeoutError):
    """A job ran longer than its `timeout`."""


class StepError(SidelongError, RuntimeError):
    """A step of a job is used in a way in which its work could be done twice, or left out; the message says how."""


class StoreError(SidelongError):
    """Redis cannot be used as it is: unreachable at boot, too old, a cluster, or forbidding a command."""


class Unavailable(StoreError):  # noqa: N818 - a state, not a mistake
    """There is no connection, and nothing was sent."""


class ReplyLost(StoreError):  # noqa: N818 - reads as what happened
    """A command was sent and the connection broke: it may or may not have been carried out."""


class Refused(StoreError):  # noqa: N818 - reads as what happened
    """Redis answered a command with an error and did nothing.

    Attributes:
        code: the first word of the answer, such as `OOM`, `WRONGTYPE` or `NOPERM`.
    """

    @property
    def code(self) -> str:
        """The first word of Redis' answer."""
        return str(self).split(" ", 1)[0]


class EndNotReached(StoreError):  # noqa: N818 - reads as what happened
    """So much arrived in a set while it was read that this was given up; what was read until then was there."""
