"""Orders and stock. Every change is one transaction, and every change may be made twice without harm."""

import time
from dataclasses import dataclass

from shop.database import transaction


class OutOfStock(Exception):
    """There are fewer pieces left than were ordered."""


class NoSuchOrder(Exception):
    """There is no order with this number."""


@dataclass(frozen=True)
class Draft:
    """What a customer asks for; `key` is the same when the same form is sent twice."""

    key: str
    item: str
    quantity: int
    email: str
    card: str  # A real shop holds a token of the payment service instead, and never sees the card.
    parcels: int


@dataclass(frozen=True)
class Order:
    """An order as it stands: pending, complete or declined."""

    id: int
    item: str
    quantity: int
    grams: int
    cents: int
    email: str
    card: str
    parcels: int
    state: str
    note: str
    created_at: float
    charge: str | None
    mail: str | None
    parcel: str | None
    invoice: int | None


_COLUMNS = """
    orders.id, item, quantity, quantity * grams AS grams, orders.cents, email, card, parcels, state, note, created_at,
    charge, mail, parcel, number AS invoice
    FROM orders JOIN stock USING (item) LEFT JOIN invoices ON order_id = orders.id
"""
_COMPLETE = """
    UPDATE orders SET state = 'complete', note = ''
    WHERE id = ? AND state = 'pending' AND charge IS NOT NULL AND mail IS NOT NULL AND parcel IS NOT NULL
"""


def place(draft: Draft) -> int:
    """Take the goods from the stock, write the order down, and return its number.

    Raises:
        OutOfStock: nothing was changed.
    """
    with transaction() as db:
        if known := db.execute("SELECT id FROM orders WHERE key = ?", (draft.key,)).fetchone():
            return int(known["id"])
        taken = db.execute(
            "UPDATE stock SET left = left - ? WHERE item = ? AND left >= ? RETURNING cents",
            (draft.quantity, draft.item, draft.quantity),
        ).fetchone()
        if taken is None:
            raise OutOfStock(draft.item)
        inserted = db.execute(
            "INSERT INTO orders (key, item, quantity, cents, email, card, parcels, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                *(draft.key, draft.item, draft.quantity, draft.quantity * taken["cents"]),
                *(draft.email, draft.card, draft.parcels, time.time()),
            ),
        ).fetchone()
        return int(inserted["id"])


def find(order_id: int) -> Order:
    """Return an order.

    Raises:
        NoSuchOrder: there is none with this number.
    """
    with transaction() as db:
        row = db.execute(f"SELECT {_COLUMNS} WHERE orders.id = ?", (order_id,)).fetchone()
    if row is None:
        raise NoSuchOrder(order_id)
    return Order(**row)


def latest(count: int) -> list[Order]:
    """Return the latest orders, newest first."""
    with transaction() as db:
        return [Order(**row) for row in db.execute(f"SELECT {_COLUMNS} ORDER BY orders.id DESC LIMIT ?", (count,))]


def stock() -> dict[str, int]:
    """Return how many pieces of each item are left."""
    with transaction() as db:
        return dict(db.execute("SELECT item, left FROM stock ORDER BY rowid").fetchall())


def count_by_state(after: int = 0) -> dict[str, int]:
    """Return how many orders there are in each state, of those with a number above `after`."""
    with transaction() as db:
        found = db.execute("SELECT state, count(*) FROM orders WHERE id > ? GROUP BY state", (after,)).fetchall()
    return {"pending": 0, "complete": 0, "declined": 0, **dict(found)}


# Between the shop and the queue.


def note_enqueued(order_id: int) -> None:
    """Note that Redis has the job of this order."""
    with transaction() as db:
        db.execute("UPDATE orders SET enqueued_at = ? WHERE id = ?", (time.time(), order_id))


def without_job(older_than: float) -> list[int]:
    """Return the orders that have waited for more than `older_than` seconds and of which Redis may have no job."""
    with transaction() as db:
        found = db.execute(
            "SELECT id FROM orders WHERE enqueued_at IS NULL AND created_at < ?", (time.time() - older_than,)
        )
        return [row["id"] for row in found]


# What the jobs have done.


def note_charged(order_id: int, charge: str) -> None:
    """Note that the card was charged; the order is complete if that was the last step."""
    with transaction() as db:
        db.execute("UPDATE orders SET charge = ? WHERE id = ?", (charge, order_id))
        db.execute(_COMPLETE, (order_id,))


def decline(order_id: int, reason: str) -> None:
    """End an order whose payment was declined, and put the goods back into the stock."""
    with transaction() as db:
        declined = db.execute(
            "UPDATE orders SET state = 'declined', note = ?"
            " WHERE id = ? AND state = 'pending' RETURNING item, quantity",
            (f"Payment Declined: {reason}", order_id),
        ).fetchone()
        # A second run finds no pending order, and so does not put them back twice.
        if declined is not None:
            db.execute("UPDATE stock SET left = left + ? WHERE item = ?", (declined["quantity"], declined["item"]))


def claim_mail(order_id: int, jid: str) -> bool:
    """Let one job alone send the mail of this order; return whether it is the one that asks."""
    with transaction() as db:
        return bool(
            db.execute(
                "UPDATE orders SET mail_job = ? WHERE id = ? AND coalesce(mail_job, ?) = ?", (jid, order_id, jid, jid)
            ).rowcount
        )


def note_mailed(order_id: int, mail: str) -> None:
    """Note that the mail was sent; the order is complete if that was the last step."""
    with transaction() as db:
        db.execute("UPDATE orders SET mail = ? WHERE id = ?", (mail, order_id))
        db.execute(_COMPLETE, (order_id,))


def note_shipped(order_id: int, parcel: str) -> None:
    """Note that the parcel is on its way; the order is complete if that was the last step."""
    with transaction() as db:
        db.execute("UPDATE orders SET parcel = ? WHERE id = ?", (parcel, order_id))
        db.execute(_COMPLETE, (order_id,))


def note_delay(order_id: int, jid: str) -> None:
    """Tell the customer that a person has to look, and let another job send the mail if this one was to."""
    with transaction() as db:
        db.execute("UPDATE orders SET note = 'Delayed: we are looking into it' WHERE id = ?", (order_id,))
        db.execute("UPDATE orders SET mail_job = NULL WHERE id = ? AND mail_job = ?", (order_id, jid))


# Invoices.


def last_invoice() -> int:
    """Return the number of the last invoice that was written."""
    with transaction() as db:
        return int(db.execute("SELECT coalesce(max(number), 1000) FROM invoices").fetchone()[0])


def note_invoice(order_id: int, number: int) -> None:
    """Note under which number the invoice of an order was written.

    Raises:
        sqlite3.IntegrityError: another order has this number, or this order another.
    """
    with transaction() as db:
        db.execute("INSERT INTO invoices VALUES (?, ?)", (number, order_id))


def forget_all() -> None:
    """Delete all orders, and fill the stock again."""
    with transaction() as db:
        db.execute(
            "UPDATE stock SET left = left + (SELECT coalesce(sum(quantity), 0) FROM orders"
            " WHERE orders.item = stock.item AND state <> 'declined')"
        )
        db.execute("DELETE FROM invoices")
        db.execute("DELETE FROM orders")
