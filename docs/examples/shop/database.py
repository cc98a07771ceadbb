"""The shop's own database: SQLite, one connection per process, one transaction at a time."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from shop import settings

_SCHEMA = """
    CREATE TABLE stock (
        item TEXT PRIMARY KEY,
        cents INTEGER NOT NULL,
        grams INTEGER NOT NULL,
        left INTEGER NOT NULL CHECK (left >= 0)
    );
    -- AUTOINCREMENT: a number is never used again, so a job of yesterday cannot meet an order of today.
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        item TEXT NOT NULL REFERENCES stock,
        quantity INTEGER NOT NULL,
        cents INTEGER NOT NULL,
        email TEXT NOT NULL,
        card TEXT NOT NULL,
        parcels INTEGER NOT NULL,
        state TEXT NOT NULL DEFAULT 'pending',
        note TEXT NOT NULL DEFAULT '',
        created_at REAL NOT NULL,
        enqueued_at REAL,
        mail_job TEXT,
        charge TEXT,
        mail TEXT,
        parcel TEXT
    );
    CREATE INDEX orders_without_job ON orders (created_at) WHERE enqueued_at IS NULL;
    CREATE TABLE invoices (
        number INTEGER PRIMARY KEY,
        order_id INTEGER NOT NULL UNIQUE REFERENCES orders
    );
    INSERT INTO stock VALUES
        ('Tea', 450, 100, 100000), ('Teapot', 3900, 900, 1000), ('The last teacup', 1200, 300, 1);
"""

_lock = threading.Lock()


@contextmanager
def transaction() -> Iterator[sqlite3.Connection]:
    """Yield the connection inside a transaction: committed at the end, rolled back by an exception.

    It blocks, so coroutines call what uses it through `asyncio.to_thread`.
    """
    with _lock:
        connection = _connection()
        # IMMEDIATE: whoever reads in order to write must not find that another process wrote in between.
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            yield connection


def close() -> None:
    """Close the connection; the next transaction opens one to the database that the settings then name."""
    with _lock:
        if _connection.cache_info().currsize:
            _connection().close()
            _connection.cache_clear()


@cache
def _connection() -> sqlite3.Connection:
    path = Path(settings.DATABASE)
    if not path.exists():
        _create(path)
    connection = _open(path)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _create(path: Path) -> None:
    """Make the database elsewhere and put it in its place as a whole: several processes may start at once."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    connection = _open(draft)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(_SCHEMA)
    connection.close()
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=20, isolation_level=None, check_same_thread=False)
