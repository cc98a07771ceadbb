"""What a worker makes sure of before it starts: a Redis that cannot do is refused, one that may harm is warned of."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from sidelong.core.clock import Clock
from sidelong.core.config import Config
from sidelong.core.identity import new_identity
from sidelong.core.logs.message import Advice
from sidelong.core.options import DEFAULT_QUEUE
from sidelong.errors import Refused, StoreError
from sidelong.store.link import Link
from sidelong.store.rights import OPTIONAL, READ_CONFIGURATION, Lack, find_lack
from sidelong.store.scripts import Scripts
from sidelong.store.server_info import read_info

logger = logging.getLogger("sidelong.store")

_OLDEST = 7
_FAR = 0.05
_READINGS = 5
_CLOCKS_APART = 2.0


@dataclass(frozen=True, slots=True)
class StartChecks:
    """Looks at one Redis, in a few round trips.

    Attributes:
        link: a connection to it.
        address: what messages call it, without credentials.
        scripts: those of the store.
        config: the settings of the worker.
        clock: is compared with that of Redis.
    """

    link: Link
    address: str
    scripts: Scripts
    config: Config
    clock: Clock

    async def run(self) -> None:
        """Refuse what a worker cannot work with, and warn of what may lose or delay jobs.

        Raises:
            StoreError: one sentence that says what to do.
        """
        facts = await self.look()
        lack = await self._check_rights()
        self._check_eviction(facts)
        if facts.get("aof_enabled") == "0" and READ_CONFIGURATION not in lack.optional:
            await self._check_snapshots()
        await self._check_time()

    async def look(self) -> Mapping[str, str]:
        """Refuse what no worker can work with, warn of nothing, and return what INFO tells.

        Raises:
            StoreError: one sentence that says what to do.
        """
        facts = await self._facts()
        self._check_kind(facts)
        return facts

    async def _facts(self) -> Mapping[str, str]:
        """Return what INFO tells; nothing if it is forbidden."""
        try:
            answer = await self.link.call("INFO")
        except Refused as error:
            if error.code == "NOPERM":
                return {}
            raise StoreError(f"Redis at {self.address} cannot be used: {error}") from None
        return read_info(answer)

    def _check_kind(self, facts: Mapping[str, str]) -> None:
        here = f"Redis at {self.address}"
        if facts.get("cluster_enabled") == "1":
            raise StoreError(f"{here} is a cluster, which Sidelong does not support; give it a Redis that is none")
        version = facts.get("redis_version", str(_OLDEST))
        major = version.partition(".")[0]
        if major.isdigit() and int(major) < _OLDEST:
            raise StoreError(f"{here} is version {version}; install 7.0 or later, or Valkey 7.2 or later")
        if facts.get("loading") == "1":
            percent = facts.get("loading_loaded_perc", "0").partition(".")[0]
            raise StoreError(f"{here} is still loading its data ({percent} %); start the worker again when it is done")
        if facts.get("role") == "slave":
            master = f"{facts.get('master_host')}:{facts.get('master_port')}"
            raise StoreError(
                f"{here} is a replica of {master}, which takes no jobs; give the URL of the master,"
                " or that of its sentinels (redis+sentinel://)"
            )

    async def _check_rights(self) -> Lack:
        queues = [name for name, _ in self.config.queues] or [DEFAULT_QUEUE]
        try:
            identity = new_identity(self.config.hostname)
            lack = await find_lack(self.link, self.scripts, identity=identity, queues=queues)
        except Refused as error:
            if error.code != "NOPERM":
                raise StoreError(f"Redis at {self.address} cannot be used: {error}") from None
            raise self._forbidden("+evalsha +script|load", f" ({error})") from None
        if lack.rules:
            raise self._forbidden(" ".join(lack.rules))
        for words in filter(OPTIONAL.get, lack.optional):
            command = " ".join(words[: 1 + (words[0] == "CLIENT")])
            logger.warning(Advice(f"the Redis user may not run {command}: {OPTIONAL[words]}"))
        return lack

    def _forbidden(self, rules: str, answer: str = "") -> StoreError:
        return StoreError(
            f"the user of Redis at {self.address} may not do all that a worker must{answer};"
            f" allow it with ACL SETUSER: {rules}"
        )

    def _check_eviction(self, facts: Mapping[str, str]) -> None:
        policy = facts.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            sentence = f"Redis may evict jobs: its maxmemory-policy is {policy}; set it to noeviction"
            logger.warning(Advice(f"{sentence}, and keep caches elsewhere"))

    async def _check_snapshots(self) -> None:
        try:
            _, save = await self.link.call("CONFIG", "GET", READ_CONFIGURATION[-1])
        except (Refused, ValueError):
            # Where it has another name, Redis is somebody else's to configure.
            return
        if not save:
            sentence = "Redis keeps nothing on disk: all jobs are lost when it restarts; set appendonly to yes"
            logger.warning(Advice(sentence))

    async def _check_time(self) -> None:
        """Compare the clocks, and see how far away Redis is; a far one is asked several times, to be sure."""
        best = float("inf")
        apart = 0.0
        for _ in range(_READINGS):
            asked_at = self.clock.monotonic()
            seconds, microseconds = await self.link.call("TIME")
            took = self.clock.monotonic() - asked_at
            if took < best:
                best = took
                apart = self.clock.now() - took / 2 - (int(seconds) + int(microseconds) / 1_000_000)
            if best <= _FAR:
                break
        if best > _FAR:
            sentence = f"Redis is far away: an answer takes {best * 1000:.0f} ms; run workers near it"
            logger.warning(Advice(sentence, kind="far"))
        if abs(apart) > _CLOCKS_APART + best:
            where, when = ("ahead of", "late") if apart > 0 else ("behind", "early")
            sentence = f"the clock of this host is {abs(apart):.1f} s {where} that of Redis; let NTP set both"
            logger.warning(Advice(f"{sentence}, or scheduled jobs run too {when}", kind="clocks"))
