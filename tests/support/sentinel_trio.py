"""A master, two replicas and three sentinels on loopback, which fail over within a few seconds."""

from collections.abc import Mapping
from contextlib import ExitStack, suppress

import redis

from tests.support.eventually import eventually_sync
from tests.support.redis_server import RedisServer

MASTER_NAME = "main"

_HOST = "127.0.0.1"
# Sentinels look, ask and tell each other every second or ten by default; a test need not wait for that.
_PERIODS_MS = {"info-period": 200, "ping-period": 400, "ask-period": 100, "publish-period": 200}
# Several pings: on a busy machine one late answer must not depose a master that is well.
_DOWN_AFTER_MS = 1500
_FAILOVER_TIMEOUT_MS = 3000
_FAILOVER_ATTEMPTS = 3
_PAUSE_MS = 5000


class SentinelServer(RedisServer):
    """One sentinel, which watches one master.

    Args:
        master_port: where the master is at the start.
        quorum: how many sentinels must agree that it is down.
        password: what clients must give, if anything.
        config: further directives.
    """

    def __init__(
        self,
        master_port: int,
        *,
        quorum: int = 2,
        password: str | None = None,
        config: Mapping[str, str | int] | None = None,
    ) -> None:
        super().__init__()
        directives = {
            "bind": _HOST,
            "dir": self.directory,
            "logfile": self.directory / "redis.log",
            "sentinel monitor": f"{MASTER_NAME} {_HOST} {master_port} {quorum}",
            "sentinel down-after-milliseconds": f"{MASTER_NAME} {_DOWN_AFTER_MS}",
            "sentinel failover-timeout": f"{MASTER_NAME} {_FAILOVER_TIMEOUT_MS}",
            **(config or {}),
            **({"requirepass": password} if password else {}),
        }
        self._lines = [f"{name} {value}" for name, value in directives.items()]

    def _arguments(self, port: int) -> list[str]:
        path = self.directory / "sentinel.conf"
        path.write_text("\n".join([f"port {port}", *self._lines, ""]))
        return [str(path), "--sentinel"]


class SentinelTrio:
    """Six servers; `with` starts them and waits until the sentinels know everybody.

    Attributes:
        url: what a program under test is given.
        data: the servers that hold data; the first one is the master at the start.
        sentinels: those that watch them.
    """

    def __init__(self, *, config: Mapping[str, str | int] | None = None) -> None:
        self.data: list[RedisServer] = []
        self.sentinels: list[SentinelServer] = []
        self._config = dict(config or {})
        self._stack = ExitStack()

    def __enter__(self) -> "SentinelTrio":
        with ExitStack() as stack:
            master = stack.enter_context(RedisServer(config=self._config))
            replica = {"replicaof": f"{_HOST} {master.port}", "repl-diskless-sync-delay": 0, **self._config}
            self.data = [master, *[stack.enter_context(RedisServer(config=replica)) for _ in range(2)]]
            eventually_sync(lambda: self._replicas(master) == 2, 15)
            self.sentinels = [stack.enter_context(SentinelServer(master.port)) for _ in range(3)]
            for sentinel in self.sentinels:
                with sentinel.client() as client:
                    client.execute_command("SENTINEL", "DEBUG", *[w for pair in _PERIODS_MS.items() for w in pair])
            eventually_sync(lambda: all(map(self._knows_all, self.sentinels)), 15)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """The URL of the master's database 0, by way of the sentinels."""
        hosts = ",".join(f"{_HOST}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{MASTER_NAME}/0"

    @property
    def master(self) -> RedisServer:
        """The server that the sentinels name as master now."""
        with self.sentinels[0].client() as client:
            _, port = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME)
        return next(server for server in self.data if server.port == int(port))

    def fail_over(self) -> None:
        """Do what docs/redis.md says for a planned failover, and wait until another server is the master."""
        old = self.master
        for _ in range(_FAILOVER_ATTEMPTS):
            # On a busy machine sentinels give up a failover that takes them too long.
            with suppress(AssertionError, redis.ConnectionError):
                self._prepare_failover(old)
                eventually_sync(self._begin_failover, 15)
                eventually_sync(lambda: self.has_new_master(old), 7)
                return
        raise AssertionError("the sentinels do not fail over")

    def has_new_master(self, old: RedisServer) -> bool:
        """Tell whether another server than `old` is named as master, and takes itself for one."""
        master = self.master
        return master is not old and role(master) == "master"

    def is_whole(self) -> bool:
        """Tell whether the master of the moment has both replicas, and all sentinels know of them."""
        with suppress(redis.RedisError):
            return self._replicas(self.master) == 2 and all(map(self._knows_all, self.sentinels))
        return False

    def _prepare_failover(self, master: RedisServer) -> None:
        with master.client() as client:
            # A replica that joined a moment ago may still be catching up.
            eventually_sync(lambda: client.wait(1, 1000) >= 1, 15)
            client.config_set("min-replicas-to-write", 1)
            client.execute_command("CLIENT", "PAUSE", _PAUSE_MS, "WRITE")

    def _begin_failover(self) -> bool:
        # The one before may not be over, or no replica may be ready yet.
        with suppress(redis.ResponseError), self.sentinels[0].client() as client:
            return bool(client.execute_command("SENTINEL", "FAILOVER", MASTER_NAME))
        return False

    def _knows_all(self, sentinel: SentinelServer) -> bool:
        with sentinel.client() as client:
            flat = client.execute_command("SENTINEL", "MASTER", MASTER_NAME)
        # redis-py returns pairs in some versions, and a dict in others.
        facts = flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))
        known = {_text(name): _text(value) for name, value in facts.items()}
        return known["num-slaves"] == "2" and known["num-other-sentinels"] == "2" and known["flags"] == "master"

    def _replicas(self, master: RedisServer) -> int:
        with master.client() as client:
            return int(client.info("replication")["connected_slaves"])


def role(server: RedisServer) -> str:
    """Return what a server takes itself for: `master` or `slave`, empty if it does not answer."""
    with suppress(redis.RedisError), server.client() as client:
        return str(client.info("replication")["role"])
    return ""


def clients(server: RedisServer, prefix: str = "sidelong:") -> list[str]:
    """Return the names of the clients of a server that begin with `prefix`; none if it does not answer."""
    # A server that becomes a replica cuts all its clients off.
    with suppress(redis.RedisError), server.client() as client:
        return [entry["name"] for entry in client.client_list() if entry["name"].startswith(prefix)]
    return []


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
