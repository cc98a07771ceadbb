"""The worker processes of either language: what they tell of themselves, and the signals they take."""

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Final

from sidelong.api.instants import read_instant
from sidelong.app import Sidelong
from sidelong.core import serialization
from sidelong.errors import InvalidPayloadError, NotSteerableError, Refused, StoreError
from sidelong.store.control import BEAT
from sidelong.store.process_records import ProcessRecords

_QUIET: Final = "TSTP"
_STOP: Final = "TERM"
_DUMP: Final = "TTIN"


class Process:
    """One worker process at the moment at which it was read.

    Args:
        app: the application.
        identity: `<host>:<pid>:<nonce>`.
        fields: its record as it stands in Redis; what is missing or odd there is empty or 0 here.
        is_leader: whether `dear-leader` names it.

    Attributes:
        identity: `<host>:<pid>:<nonce>`.
        info: what it told once, at its start.
        fault: why its record cannot be read; None if it can.
        is_leader: whether it is the leader.
    """

    def __init__(self, app: Sidelong, identity: str, fields: Mapping[str, bytes], *, is_leader: bool = False) -> None:
        self._app = app
        self._fields = fields
        self.identity = identity
        self.is_leader = is_leader
        self.info, self.fault = _read_info(fields.get("info", b""))

    @property
    def hostname(self) -> str:
        """The name of its machine."""
        return _text(self.info.get("hostname"))

    @property
    def pid(self) -> int:
        """Its number on its machine."""
        return _whole(self.info.get("pid"))

    @property
    def tag(self) -> str:
        """What its operator calls its application."""
        return _text(self.info.get("tag"))

    @property
    def labels(self) -> list[str]:
        """What its operator calls it."""
        return _texts(self.info.get("labels"))

    @property
    def version(self) -> str:
        """The version of what it runs, "" where it does not tell."""
        return _text(self.info.get("version"))

    @property
    def started_at(self) -> float | None:
        """When it started, in epoch seconds."""
        return read_instant(self.info.get("started_at"))

    @property
    def queues(self) -> list[str]:
        """The queues it serves."""
        return _texts(self.info.get("queues")) or list(
            dict.fromkeys(name for capsule in self.capsules.values() for name in capsule["weights"])
        )

    @property
    def weights(self) -> dict[str, int]:
        """The weights of its queues; 0 in strict order."""
        weights = self.info.get("weights")
        merged: dict[str, int] = {}
        for part in weights if type(weights) is list else [weights]:
            merged |= _weights(part)
        return merged or {
            name: weight for capsule in self.capsules.values() for name, weight in capsule["weights"].items()
        }

    @property
    def capsules(self) -> dict[str, dict[str, Any]]:
        """By name, each with `concurrency`, `mode` (strict, weighted or random) and `weights`; often empty in Ruby."""
        capsules = self.info.get("capsules")
        return {
            name: {
                "concurrency": _whole(capsule.get("concurrency")),
                "mode": _text(capsule.get("mode")),
                "weights": _weights(capsule.get("weights")),
            }
            for name, capsule in (capsules.items() if type(capsules) is dict else ())
            if type(capsule) is dict
        }

    @property
    def concurrency(self) -> int:
        """How many jobs it runs at once at most, in all its capsules."""
        return _whole(self._fields.get("concurrency", self.info.get("concurrency")))

    @property
    def busy(self) -> int:
        """How many jobs it runs."""
        return _whole(self._fields.get("busy"))

    @property
    def beat(self) -> float | None:
        """When its last heartbeat was, in epoch seconds."""
        return read_instant(self._fields.get("beat", b"").decode("ascii", "replace"))

    @property
    def rss(self) -> int:
        """Its resident memory in KB, 0 where it does not tell."""
        return _whole(self._fields.get("rss"))

    @property
    def rtt_us(self) -> int:
        """How long Redis took to answer it, in microseconds."""
        return _whole(self._fields.get("rtt_us"))

    @property
    def processed(self) -> int | None:
        """How many jobs ended there since it started; None where it does not tell, as Ruby's do not."""
        return self._told("processed")

    @property
    def failed(self) -> int | None:
        """How many of them failed; None where it does not tell, as Ruby's do not."""
        return self._told("failed")

    @property
    def is_quiet(self) -> bool:
        """Whether it fetches no more jobs."""
        return self._fields.get("quiet") == b"true"

    @property
    def is_embedded(self) -> bool:
        """Whether it runs inside another program, which alone may stop it."""
        return self.info.get("embedded") is True

    @property
    def job_classes(self) -> list[str] | None:
        """The classes it can run; None where it does not tell, as Ruby's do not."""
        try:
            classes = serialization.loads(self._fields["classes"])
        except (KeyError, InvalidPayloadError):
            return None
        return _texts(classes) if type(classes) is list else None

    @property
    def lag_ms(self) -> int | None:
        """How late its event loop ran last, in milliseconds; None where it does not tell, as Ruby's do not."""
        return self._told("lag_ms")

    async def quiet(self) -> None:
        """Let it fetch no more jobs, and finish those it has; there is no way back but a restart.

        Redis: a script (LPUSH, EXPIRE of `<identity>-signals`), O(1). The process takes it with a heartbeat: Ruby's
        within 5 or 10 s, ours at once, for it is told (a script: RPUSH), and else within 5 s.

        Raises:
            NotSteerableError: it is embedded.
            StoreError: Redis cannot be reached or refuses.
        """
        await self._signal(_QUIET)

    async def stop(self) -> None:
        """Let it end as on SIGTERM: jobs that do not finish in its `timeout` go back to their queues.

        Redis and errors as `quiet`.
        """
        await self._signal(_STOP)

    async def dump_stacks(self) -> None:
        """Let it log what each of its tasks, or threads, is doing.

        Redis and errors as `quiet`.
        """
        await self._signal(_DUMP)

    def _told(self, name: str) -> int | None:
        return _whole(self._fields[name]) if name in self._fields else None

    async def _signal(self, signal: str) -> None:
        if self.is_embedded:
            raise NotSteerableError(
                f"{self.identity} is embedded in another program and takes no signals: that program must stop it"
            )
        await _records(self._app).signal(self.identity, signal)
        with suppress(StoreError):
            # The signal waits, and the next heartbeat takes it; a worker of ours that is told beats now.
            await self._app.store.control.tell(BEAT, [self.identity])

    def __repr__(self) -> str:
        state = "quiet" if self.is_quiet else "running"
        return f"<Process {self.identity!r} {state} {self.busy}/{self.concurrency}>"


class ProcessSet:
    """The worker processes of one Redis. Every method raises `StoreError` where Redis cannot be reached or refuses.

    Args:
        app: whose Redis it is.
    """

    def __init__(self, app: Sidelong) -> None:
        self.app = app

    async def __aiter__(self) -> AsyncIterator[Process]:
        """Iterate over the living processes by identity; those that died are taken off the list first.

        Redis: GET, SSCAN and HMGET for every process, O(n) in their number, in round trips of 100; at most once a
        minute also a script (HGET for every process, SREM).
        """
        records = self._records
        await records.prune()
        identities = await records.identities()
        leader = await self._leader()
        for start in range(0, len(identities), 100):
            found = await records.records(identities[start : start + 100])
            for identity, fields in found.items():
                yield Process(self.app, identity, fields, is_leader=identity == leader)

    async def size(self) -> int:
        """Return how many processes are listed, of which some may have died within the last minute.

        Redis: SCARD, O(1).
        """
        return await self._records.size()

    async def get(self, identity: str) -> Process | None:
        """Return one process; None if it is not alive.

        Redis: HMGET and GET, O(1).
        """
        found = await self._records.records([identity])
        leader = await self._leader()
        return next((Process(self.app, name, fields, is_leader=name == leader) for name, fields in found.items()), None)

    async def total_concurrency(self) -> int:
        """Return how many jobs all processes together run at once at most.

        Redis: as iterating, O(n).
        """
        return sum([process.concurrency async for process in self])

    async def total_rss(self) -> int:
        """Return the resident memory of all processes together, in KB.

        Redis: as iterating, O(n).
        """
        return sum([process.rss async for process in self])

    async def leader(self) -> str | None:
        """Return the identity of the leader; None if there is none.

        Redis: GET `dear-leader`, O(1).
        """
        return await self._records.leader()

    async def _leader(self) -> str | None:
        """Return the leader; where that cannot be read, the processes are shown all the same."""
        with suppress(Refused):
            return await self._records.leader()
        return None

    @property
    def _records(self) -> ProcessRecords:
        return _records(self.app)


def _records(app: Sidelong) -> ProcessRecords:
    return ProcessRecords(app.store.admin, app.store.scripts)


def _read_info(raw: bytes) -> tuple[dict[str, Any], str | None]:
    try:
        info = serialization.loads(raw)
    except InvalidPayloadError as error:
        return {}, str(error)
    return (info, None) if type(info) is dict else ({}, "the record of a process is a JSON object, this is none")


def _text(value: Any) -> str:
    return value if type(value) is str else ""


def _texts(value: Any) -> list[str]:
    return [text for text in value if type(text) is str] if type(value) is list else []


def _weights(value: Any) -> dict[str, int]:
    return {name: _whole(weight) for name, weight in value.items()} if type(value) is dict else {}


def _whole(value: Any) -> int:
    """Return a number from a record: Redis holds digits, JSON a number."""
    if type(value) is bytes:
        return int(value) if value.isdigit() and len(value) < 20 else 0
    return value if type(value) is int and 0 <= value < 2**63 else 0
