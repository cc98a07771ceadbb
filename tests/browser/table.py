"""The pages that every test of appearance goes through; a new page is one more line."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Shown:
    """A page as an operator comes to see it.

    Attributes:
        name: of the test.
        path: may hold names of the scene in braces.
        press: the button that leads on from there, by its accessible name.
        status: of the answer.
        is_empty: shown with nothing in Redis.
    """

    name: str
    path: str
    press: str = ""
    status: int = 200
    is_empty: bool = False

    def __str__(self) -> str:
        return self.name


PAGES: Final = (
    Shown("dashboard", "/"),
    Shown("dashboard-half-a-year", "/?days=180"),
    Shown("busy", "/busy"),
    Shown("process", "/busy/{process}"),
    Shown("running-job", "/running/{running}"),
    Shown("queues", "/queues"),
    Shown("queue", "/queues/default"),
    Shown("queue-paused", "/queues/reports"),
    Shown("queued-job", "/queues/default/jobs/{queued}"),
    Shown("queued-job-edited", "/queues/default/jobs/{queued}/edit"),
    Shown("scheduled", "/scheduled"),
    Shown("scheduled-job", "/scheduled/{scheduled}"),
    Shown("retries", "/retries"),
    Shown("retries-filtered", "/retries?error=CardDeclined&text=order"),
    Shown("retries-after-an-action", "/retries?said=retry.3.1.1.1"),
    Shown("retries-last-page", "/retries?page=2&order=reversed"),
    Shown("retry", "/retries/{retry}"),
    Shown("retry-edited", "/retries/{retry}/edit"),
    Shown("retries-groups", "/retries/groups"),
    Shown("dead-groups", "/dead/groups"),
    Shown("dead", "/dead"),
    Shown("dead-job", "/dead/{dead}"),
    Shown("metrics", "/metrics"),
    Shown("metrics-8-hours", "/metrics?hours=8"),
    Shown("metrics-of-a-class", "/metrics/shop.jobs.charge_card"),
    Shown("redis", "/redis"),
    Shown("redis-set", "/redis/retry"),
    Shown("redis-list", "/redis/queue:default"),
    Shown("redis-hash", "/redis/{process}"),
    Shown("question", "/queues", press="Clear billing"),
    Shown("not-found", "/nothing", status=404),
    *(
        Shown(f"{name.replace('/', '-')}-empty", f"/{name}", is_empty=True)
        for name in ("busy", "queues", "scheduled", "retries", "retries/groups", "dead", "metrics", "redis")
    ),
    Shown("retries-nothing-matches", "/retries?text=nothing-has-this"),
)
