"""What the demo shows: live progress on a terminal, a line now and then elsewhere, the account at the end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sidelong.cli.demo.fakes import Bank, MailServer, Warehouse
from sidelong.cli.demo.ledger import Ledger
from sidelong.cli.demo.shop import Shop


class Screen:
    """Draws the state of the shop; it reads plain attributes and never waits for anything."""

    def __init__(
        self,
        console: Console,
        shop: Shop,
        *,
        orders: int,
        bank: Bank,
        mail_server: MailServer,
        warehouse: Warehouse,
    ) -> None:
        self._console = console
        self._shop = shop
        self._orders = orders
        self._bank = bank
        self._mail_server = mail_server
        self._warehouse = warehouse
        self._started_at = time.monotonic()
        self._ended_at: float | None = None
        self._tenths_told = 0

    @property
    def elapsed(self) -> float:
        """Seconds since the demo began."""
        return (self._ended_at or time.monotonic()) - self._started_at

    def begin(self, *, redis: str, seed: int) -> None:
        """Say what is about to happen, and start the clock."""
        self._started_at = time.monotonic()
        self._console.print()
        self._console.print(f"[bold]Sidelong demo[/]  {self._orders:,} orders, {redis}, seed {seed}")
        self._console.print(
            "[dim]Each is charged, confirmed and shipped, by services that are slow, throttle and crash.[/]"
        )
        self._console.print()

    @contextmanager
    def live(self) -> Iterator[None]:
        """Redraw the progress a few times a second for as long as the context lasts."""
        if not self._console.is_terminal:
            yield
            return
        with Live(get_renderable=self._progress, console=self._console, refresh_per_second=12):
            yield

    def tell(self) -> None:
        """Where nothing can be redrawn, print a line for every tenth of the way."""
        tenths = 10 * len(self._shop.shipped & self._shop.confirmed) // max(1, self._orders)
        if self._console.is_terminal or tenths == self._tenths_told:
            return
        self._tenths_told = tenths
        self._console.print(
            f"{self.elapsed:5.1f} s  {len(self._bank.charges):,} charged, "
            f"{len(self._shop.confirmed):,} confirmed, {len(self._shop.shipped):,} shipped, "
            f"{self._shop.retries:,} retries"
        )

    def end(self) -> None:
        """Stop the clock."""
        self._ended_at = time.monotonic()

    def summary(self, ledger: Ledger) -> None:
        """Print the account and the verdict."""
        rows = Table.grid(padding=(0, 3))
        rows.add_column(style="dim")
        rows.add_column(justify="right")
        rows.add_column(style="dim")
        for name, value, remark in self._rows(ledger):
            rows.add_row(name, value, remark)
        self._console.print()
        self._console.print(rows)
        self._console.print()
        if not ledger.faults:
            self._console.print(
                "[bold green]The ledger is right:[/] every order was charged exactly once, "
                "shipped exactly once and confirmed at least once."
            )
        for fault in ledger.faults:
            self._console.print(f"[bold red]The ledger is wrong:[/] {fault}.")

    def _progress(self) -> RenderableType:
        bars = Table.grid(padding=(0, 2))
        for name, done in (
            ("charged", len(self._bank.charges)),
            ("confirmed", len(self._shop.confirmed)),
            ("shipped", len(self._shop.shipped)),
        ):
            bar = ProgressBar(total=self._orders, completed=done, width=40)
            bars.add_row(name, bar, f"{done:,} of {self._orders:,}")
        throttled, crashed = self._troubles()
        pulse = Text(
            f"{self.elapsed:4.1f} s   {self._rate():,.0f} jobs/s   {throttled:,} calls throttled   "
            f"{crashed:,} crashed   {throttled + crashed - self._shop.retries:,} jobs wait for another try",
            style="dim",
        )
        return Group(bars, Text(), pulse)

    def _rows(self, ledger: Ledger) -> list[tuple[str, str, str]]:
        shop = self._shop
        throttled, crashed = self._troubles()
        return [
            ("Orders completed", f"{ledger.completed:,}", f"of {ledger.orders:,}"),
            ("Jobs run", f"{shop.runs:,}", f"in {self.elapsed:.1f} s: {self._rate():,.0f} a second"),
            ("Retries", f"{shop.retries:,}", f"after {throttled:,} throttled calls and {crashed:,} crashes"),
            ("Dead jobs", f"{shop.dead:,}", ""),
            ("Orders charged twice", f"{ledger.charged_twice:,}", "each charge carries an idempotency key"),
            ("Orders shipped twice", f"{ledger.shipped_twice:,}", "so does each parcel"),
            (
                "Mails sent twice",
                f"{ledger.mailed_twice:,}",
                "sent before a crash; mail has no such keys",
            ),
            ("Left in Redis", f"{ledger.left_over:,}", "queues, retries and dead jobs"),
        ]

    def _troubles(self) -> tuple[int, int]:
        services = (self._bank, self._mail_server, self._warehouse)
        return sum(service.throttled for service in services), sum(service.crashed for service in services)

    def _rate(self) -> float:
        return self._shop.runs / max(self.elapsed, 0.001)
