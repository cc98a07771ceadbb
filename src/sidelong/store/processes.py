"""Living processes, their leases and remote signals, and what dead ones leave behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from sidelong.core.clock import Clock
from sidelong.core.config import Config
from sidelong.errors import Refused, ReplyLost
from sidelong.store import keys
from sidelong.store.counters import daily_keys
from sidelong.store.link import Link
from sidelong.store.scripts import Scripts
from sidelong.store.sets import tell_trimmed
from sidelong.store.wire import Word

_KEYS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Beat:
    """What one heartbeat tells.

    Attributes:
        counter: counts the beats of an identity.
        queues: names of the queues it fetches from.
        fields: the process hash (wire-format §9.2).
        work: thread id to work entry (wire-format §9.3).
    """

    counter: int
    queues: Sequence[str]
    fields: Mapping[str, str | bytes | int | float]
    work: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class BeatAnswer:
    """What Redis knows of this worker.

    Attributes:
        is_buried: others have declared it dead; nothing was written.
        was_known: its lease was still there.
        signal: a remote signal, such as `TSTP`, or "".
        errors: keys that could not be written.
    """

    is_buried: bool
    was_known: bool = False
    signal: str = ""
    errors: Sequence[str] = field(default=())


class BeatFailed(Exception):  # noqa: N818 - reads as what happened
    """A heartbeat did not get through, or its answer did not."""


class Heart:
    """Sends heartbeats from a thread, over a connection of its own.

    Args:
        client: a client that waits briefly and never retries.
    """

    def __init__(self, client: Redis, scripts: Scripts, config: Config, clock: Clock, *, identity: str) -> None:
        self._client = client
        self._scripts = scripts
        self._config = config
        self._clock = clock
        self._identity = identity
        self._keys = (
            keys.lease(identity),
            keys.OWNERS,
            keys.owner_queues(identity),
            keys.BURIED,
            keys.PROCESSES,
            keys.process(identity),
            keys.work(identity),
            keys.workers(identity),
            keys.signals(identity),
        )

    def beat(self, beat: Beat) -> BeatAnswer:
        """Send one heartbeat and wait for the answer.

        Raises:
            BeatFailed: it did not get through; beating again is always safe.
            Refused: Redis answered with an error; likewise.
        """
        words: list[Word] = [
            self._identity,
            beat.counter,
            int(self._config.lease_ttl * 1000),
            int(self._config.process_ttl),
            keys.DAILY_TTL,
            len(beat.queues),
            *beat.queues,
            len(beat.fields),
        ]
        for name, value in beat.fields.items():
            words += (name, value)
        words.append(len(beat.work))
        for tid, entry in beat.work.items():
            words += (tid, entry)
        try:
            now = self._clock.now()
            # Yesterday's too: one may have been made between the last beat and midnight.
            counters = (*daily_keys(now), *daily_keys(now - keys.DAY))
            reply = self._scripts.beat.run_blocking(self._client, (*self._keys, *counters), words)
        except ResponseError as error:
            raise Refused(str(error)) from error
        except (RedisError, OSError) as error:
            raise BeatFailed(str(error) or type(error).__name__) from error
        except Exception as error:
            # A credential provider may raise anything, and redis-py keeps the connection that it left without a login.
            self._client.connection_pool.disconnect()
            raise BeatFailed(f"{type(error).__name__}: {error}") from error
        if reply[0] == b"buried":
            return BeatAnswer(is_buried=True)
        _, known, signal, errors = reply
        return BeatAnswer(
            is_buried=False,
            was_known=known == 1,
            signal=signal.decode("utf-8", "replace"),
            errors=[error.decode("utf-8", "replace") for error in errors],
        )

    def close(self) -> None:
        """Give the connection back."""
        self._client.close()
        self._client.connection_pool.disconnect()


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one look at the owners showed.

    Attributes:
        missing: identities that own lists and have no lease.
        holding: buried identities whose lists hold entries again.
        server: Redis' run id, empty if it does not tell or was not asked.
        uptime: seconds since that server started, None likewise.
        errors: keys that could not be read.
        is_listed: False when the one that looks is no owner itself.
    """

    missing: Sequence[str]
    holding: Sequence[str]
    server: str
    uptime: int | None
    errors: Sequence[str] = field(default=())
    is_listed: bool = True


@dataclass(frozen=True, slots=True)
class Salvage:
    """Where one entry of a dead owner's list goes: back to its queue as `new`, to the dead set, or nowhere."""

    raw: bytes
    new: bytes
    to: Literal["queue", "dead", "drop"] = "queue"


class Owners:
    """The identities that hold in-flight lists, as any living worker sees them."""

    def __init__(self, link: Link, scripts: Scripts, config: Config) -> None:
        self._link = link
        self._scripts = scripts
        self._config = config

    async def look(self, by: str = "", *, with_server: bool = False) -> Sighting:
        """Read which owners lack a lease, and how long this server has been up.

        Args:
            by: who looks.
            with_server: ask which server this is even if nobody is missing.
        """
        reply = await self._scripts.look.run(
            self._link,
            (keys.OWNERS, keys.BURIED),
            (keys.lease(""), keys.owner_queues(""), keys.inflight("", "")[:-1], by),
        )
        *parts, is_listed = reply
        missing, holding, errors = ([word.decode("utf-8", "replace") for word in part] for part in parts)
        run_id, uptime = await self._server() if with_server or missing or holding else ("", None)
        return Sighting(missing, holding, run_id, uptime, errors, is_listed == 1)

    async def restore(self, cursor: int) -> tuple[int, list[str]]:
        """Make some of those owners again that have lists and that the owners set has lost.

        Args:
            cursor: where in the key space to go on, 0 for its begin.

        Returns:
            The next cursor, 0 at the end, and the identities that were added.
        """
        following, found = await self._link.call(
            "SCAN", cursor, "MATCH", keys.owner_queues("*"), "COUNT", _KEYS_AT_ONCE
        )
        names = [_identity(key) for key in found]
        identities = [name for name in names if name]
        if not identities:
            return int(following), []
        added = await self._scripts.restore.run(
            self._link, (keys.OWNERS, keys.BURIED, *map(keys.lease, identities)), identities
        )
        return int(following), [identity.decode() for identity in added]

    async def bury(self, identity: str, *, by: str) -> list[str] | None:
        """Declare an owner dead and return its queues; None if it lives or another process recovers it."""
        reply = await self._scripts.bury.run(
            self._link,
            (
                keys.lease(identity),
                keys.BURIED,
                keys.RECOVERY_LOCK,
                keys.owner_queues(identity),
                keys.PROCESSES,
                keys.QUEUES,
            ),
            (identity, by, int(self._config.recovery_interval * 2000), keys.DAY),
        )
        return [name.decode("utf-8", "replace") for name in reply] if isinstance(reply, list) else None

    async def held(self, identity: str, queue: str) -> list[bytes]:
        """Return the entries of one private list, newest first."""
        entries: list[bytes] = await self._link.call("LRANGE", keys.inflight(identity, queue), 0, -1)
        return entries

    async def salvage(self, identity: str, queue: str, salvages: Sequence[Salvage]) -> list[Any] | None:
        """Move entries out of a dead owner's list; None if the owner turned out to live.

        Returns:
            Per entry 1 for moved, 0 for no longer there, or an error text.
        """
        words: list[Word] = [self._config.dead_max_jobs, self._config.dead_timeout]
        for salvage in salvages:
            words += (salvage.to, salvage.raw, salvage.new)
        reply = await self._scripts.recover.run(
            self._link,
            (keys.lease(identity), keys.inflight(identity, queue), keys.queue(queue), keys.DEAD, keys.QUEUES),
            words,
        )
        if not isinstance(reply, list):
            return None
        *results, trimmed = reply
        tell_trimmed(trimmed)
        return [result.decode("utf-8", "replace") if type(result) is bytes else result for result in results]

    async def mark_alone(self, identity: str, jid: str) -> None:
        """Note that a worker is about to run a job alone, because two crashes point at it."""
        await self._scripts.mark.run(self._link, (keys.alone(identity),), (jid, keys.DAY))

    async def alone(self, identity: str) -> str | None:
        """Return the jid that a worker last marked; None if there is none, or it cannot be read."""
        (jid,) = await self._link.pipeline([("GET", keys.alone(identity))])
        if isinstance(jid, ReplyLost):
            raise jid
        return jid.decode("utf-8", "replace") if isinstance(jid, bytes) else None

    async def leave(
        self, identity: str, queues: Sequence[str], *, inspect_for: float = 0, is_flushed: bool = False
    ) -> bool:
        """Take an identity out of the owners if its lists are empty.

        Args:
            identity: who leaves.
            queues: names of the queues it fetched from.
            inspect_for: seconds during which others still look into its lists.
            is_flushed: whether no flush of its figures can be under way any more.
        """
        reply = await self._scripts.leave.run(
            self._link,
            (
                keys.lease(identity),
                keys.OWNERS,
                keys.owner_queues(identity),
                keys.settled(identity),
                keys.PROCESSES,
                keys.work(identity),
                keys.workers(identity),
                keys.BURIED,
                keys.process(identity),
                keys.flushed(identity),
                *[keys.inflight(identity, name) for name in queues],
            ),
            (identity, int(inspect_for), int(is_flushed)),
        )
        return bool(reply == 1)

    async def _server(self) -> tuple[str, int | None]:
        (answer,) = await self._link.pipeline([("INFO", "server")])
        if isinstance(answer, ReplyLost):
            raise answer
        if not isinstance(answer, bytes):
            return "", None  # forbidden, or not known to the embedded store
        facts = dict(line.split(":", 1) for line in answer.decode().splitlines() if ":" in line)
        return facts.get("run_id", ""), int(facts.get("uptime_in_seconds", 0))


def _identity(owner_queues: bytes) -> str | None:
    """Return what follows the prefix of a key, None for what can be no identity of ours."""
    try:
        return owner_queues.decode().removeprefix(keys.owner_queues(""))
    except UnicodeDecodeError:
        return None
