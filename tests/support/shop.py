"""The example application as a test sees it: real processes, a real Redis, and HTTP."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import httpx
import redis

from tests.support.eventually import eventually_sync
from tests.support.processes import ROOT, environment
from tests.support.redis_server import RedisServer, free_port
from tests.support.timings import TEST_TIMINGS

GOOD_CARD = "4242 4242 4242 4242"
POOR_CARD = "4000 0000 0000 0002"
SERVICES = ("payments", "email", "fulfilment")

_EXAMPLES = ROOT / "docs" / "examples"
_JSON = {"Accept": "application/json"}
_COMMANDS = {
    "services": ["-m", "shop.services"],
    "web": ["-m", "uvicorn", "shop.web:api", "--log-level=warning", "--port"],
    "worker": ["-m", "sidelong", "run", "shop.worker:app"],
}


class Shop:
    """The shop, its services and one worker process.

    Args:
        redis: a server of the shop's own.
        directory: where the database and the logs go.
    """

    def __init__(self, redis: RedisServer, directory: Path) -> None:
        self.redis = redis
        self._directory = directory
        self._ports = {"web": free_port(), "services": free_port()}
        self._environment = environment(
            PYTHONPATH=str(_EXAMPLES),
            PYTHONDONTWRITEBYTECODE="1",
            REDIS_URL=redis.url,
            SHOP_PORT=str(self._ports["web"]),
            SHOP_SERVICES_PORT=str(self._ports["services"]),
            SHOP_DATABASE=str(directory / "shop.sqlite3"),
            SHOP_PATIENCE="0.4",
            SHOP_SLOWNESS="1",
            SHOP_RETRY_DELAY="0.1",
            SHOP_OVERDUE="0.5",
            **{f"SIDELONG_{name.upper()}": str(value) for name, value in TEST_TIMINGS.items()},
        )
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._client = httpx.Client(timeout=30)

    def __enter__(self) -> Self:
        try:
            for name in _COMMANDS:
                self.start(name)
            eventually_sync(self._is_open, 40)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes."""
        for name in self._processes:
            self.send(name, signal.SIGKILL)
        self._client.close()

    # Its processes.

    def start(self, name: str) -> None:
        """Start one of the processes."""
        command = [sys.executable, *_COMMANDS[name], *([str(self._ports["web"])] if name == "web" else [])]
        with (self._directory / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command,
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to one of the processes; one that is to end has ended afterwards."""
        self._processes[name].send_signal(number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self._processes[name].wait(timeout=30)

    def log(self, name: str) -> str:
        """Return what one of the processes has written."""
        return (self._directory / f"{name}.log").read_text(errors="replace")

    def begin(self, module: str, *arguments: str) -> "subprocess.Popen[str]":
        """Start one of the shop's commands, such as `load`."""
        return subprocess.Popen(
            [sys.executable, "-m", f"shop.{module}", *arguments],
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, module: str, *arguments: str) -> tuple[int, str]:
        """Run one of the shop's commands; return its exit status and what it has printed."""
        process = self.begin(module, *arguments)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    # What customers do.

    def post(self, as_form: bool = False, **changes: Any) -> httpx.Response:
        """Send an order, as a program does or as a browser."""
        order = {"item": "Tea", "email": "ada@example.org", "card": GOOD_CARD, **changes}
        url = f"{self._url('web')}/orders"
        if as_form:
            return self._client.post(url, data=order)
        # httpx's own JSON cannot carry half a character.
        return self._client.post(url, content=json.dumps(order), headers={"Content-Type": "application/json"})

    def order(self, **changes: Any) -> int:
        """Send an order that the shop takes, and return its number."""
        answer = self.post(**changes)
        assert answer.status_code == 202, answer.text
        number: int = answer.json()["id"]
        return number

    def page(self, path: str = "") -> str:
        """Return a page of the shop as HTML."""
        return self._client.get(f"{self._url('web')}/{path}").text

    def show(self, order: int) -> dict[str, Any]:
        """Return an order as it stands; empty if there is none."""
        answer = self._client.get(f"{self._url('web')}/orders/{order}", headers=_JSON)
        return answer.json() if answer.is_success else {}

    def grow_old(self, order: int, seconds: float) -> None:
        """Let an order have been placed so many seconds earlier."""
        database = sqlite3.connect(self._directory / "shop.sqlite3", timeout=20)
        with database:
            database.execute("UPDATE orders SET created_at = created_at - ? WHERE id = ?", (seconds, order))
        database.close()

    def wait_until(self, state: str, orders: Iterable[int], within: float = 30.0) -> None:
        """Wait until all these orders have come to a state."""
        for order in orders:
            eventually_sync(lambda order=order: self.show(order)["state"] == state, within)  # type: ignore[misc]

    # What the services know.

    def switch(self, service: str, mode: str) -> None:
        """Have a service misbehave, or behave."""
        answer = self._client.post(f"{self._url('services')}/{service}/switch", data={"mode": mode})
        assert answer.status_code == 303, answer.text

    def books(self, service: str) -> dict[str, Any]:
        """Return everything that a service did."""
        books: dict[str, Any] = self._client.get(f"{self._url('services')}/{service}/books").json()
        return books

    def service_page(self, service: str) -> str:
        """Return the page of a service as HTML."""
        return self._client.get(f"{self._url('services')}/{service}/").text

    def forget(self) -> None:
        """Let the services behave and forget what they did, and Redis its dead."""
        self._client.post(f"{self._url('services')}/reset").raise_for_status()
        with self.redis.client() as client:
            client.delete("dead")

    def charged(self) -> list[int]:
        """Return the order of each charge."""
        return sorted(int(charge["key"].removeprefix("order-")) for charge in self.books("payments")["charges"])

    def mailed(self) -> list[int]:
        """Return the order of each mail."""
        return sorted(mail["order"] for mail in self.books("email")["messages"])

    def fulfilled(self) -> list[int]:
        """Return the order of each fulfilment job."""
        return sorted(job["order"] for job in self.books("fulfilment")["jobs"])

    def unfinished(self) -> int:
        """Return how many jobs wait, run or are to be tried again."""
        with self.redis.client() as client:
            lists = [*client.keys("queue:*"), *client.keys("sidelong:inflight:*")]
            return sum(map(client.llen, lists)) + client.zcard("retry") + client.zcard("schedule")

    def processed(self) -> int:
        """Return how many jobs workers have run so far."""
        with self.redis.client() as client:
            return int(client.get("stat:processed") or 0)

    def _url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"

    def _is_open(self) -> bool:
        for name, process in self._processes.items():
            assert process.poll() is None, f"{name} has ended:\n{self.log(name)}"
        try:
            self._client.get(f"{self._url('services')}/state")
            self._client.get(f"{self._url('web')}/progress")
        except httpx.TransportError:
            return False
        with redis.Redis.from_url(self.redis.url) as client:
            return client.scard("processes") == 1
