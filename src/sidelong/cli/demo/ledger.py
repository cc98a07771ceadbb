"""Compares what the shop was asked to do with what the outside world says happened."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sidelong.cli.demo.fakes import Bank, MailServer, Warehouse


@dataclass(frozen=True)
class Ledger:
    """The account of a run.

    Attributes:
        orders: how many orders were taken.
        completed: how many of them were charged, confirmed and shipped.
        charged_twice: orders for which money moved more than once.
        mailed_twice: orders for which more than one mail was sent; no fault, see `faults`.
        shipped_twice: orders for which more than one parcel left.
        left_over: entries still in a queue or set of Redis.
        faults: one sentence for each thing that is not as promised; empty if the ledger is right.
    """

    orders: int
    completed: int
    charged_twice: int
    mailed_twice: int
    shipped_twice: int
    left_over: int
    faults: tuple[str, ...]


def balance(
    orders: Mapping[int, int], bank: Bank, mail_server: MailServer, warehouse: Warehouse, left_over: int
) -> Ledger:
    """Draw up the account: charged exactly once, the right sum; shipped exactly once; mailed at least once.

    Args:
        orders: cents to charge, by order number.
        bank: where the charges are.
        mail_server: where the sent mails are.
        warehouse: where the parcels are.
        left_over: entries still in a queue or set of Redis.
    """
    charges = Counter(order for order, _ in bank.charges)
    mails = Counter(mail_server.sent)
    parcels = Counter(warehouse.parcels)
    charged_twice = _repeated(charges)
    shipped_twice = _repeated(parcels)
    wrong_sums = {order for order, cents in bank.charges if orders.get(order) != cents}
    faults = {
        "charged more than once": charged_twice,
        "charged a wrong sum": wrong_sums,
        "never charged": orders.keys() - charges,
        "never confirmed by mail": orders.keys() - mails,
        "shipped more than once": shipped_twice,
        "never shipped": orders.keys() - parcels,
    }
    sentences = [f"{_orders(found)} {what}" for what, found in faults.items() if found]
    if left_over:
        sentences.append(f"{left_over} jobs left in Redis" if left_over > 1 else "1 job left in Redis")
    return Ledger(
        orders=len(orders),
        completed=len(orders.keys() & charges.keys() & mails.keys() & parcels.keys()),
        charged_twice=len(charged_twice),
        mailed_twice=len(_repeated(mails)),
        shipped_twice=len(shipped_twice),
        left_over=left_over,
        faults=tuple(sentences),
    )


def _repeated(counts: Counter[int]) -> set[int]:
    return {order for order, count in counts.items() if count > 1}


def _orders(found: Iterable[int]) -> str:
    numbers = sorted(found)
    if len(numbers) == 1:
        return f"order {numbers[0]}"
    return f"{len(numbers)} orders ({', '.join(map(str, numbers[:3]))}{', ...' if len(numbers) > 3 else ''})"
