"""SQLite as a service's database: one file in WAL mode, a plain-driver writer, pooled readers.

The writer uses the driver directly because asyncio or an ORM over SQLite costs many times what SQLite costs
(ADR 0003); `synchronous=FULL` because NORMAL may lose the last commits on a power failure, and these are
records of law: the commit train spreads the cost.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.pool import QueuePool

from liangfa_kit.errors import Exhausted, Unavailable
from liangfa_kit.search import match_expression
from liangfa_kit.store.port import Clash, IndexChange, Row, SearchIndex, Transaction

T = TypeVar("T")

_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}
_ROOM_BYTES = 1 << 16
_WRITER_CACHE_MIB, _READER_CACHE_MIB = 64, 8
"""An import dirties many pages; readers find theirs in the system's cache nearly as fast, and there are many of them."""


class SqliteStore:
    """One SQLite file. `reader_count` bounds reader threads and connections; `busy_seconds` a wait for the lock."""

    is_shared = False

    def __init__(self, path: Path, *, reader_count: int = 4, busy_seconds: float = 10.0) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._busy_seconds = busy_seconds
        self._writer: sqlite3.Connection | None = None
        self._pool = ThreadPoolExecutor(reader_count, thread_name_prefix=f"read-{path.stem}")
        self._engine = sa.create_engine(
            "sqlite+pysqlite://",
            creator=self._reader,
            poolclass=QueuePool,
            pool_size=reader_count,
            max_overflow=2,
        )

    def _reader(self) -> sqlite3.Connection:
        connection = self._connect(_READER_CACHE_MIB)
        connection.execute("PRAGMA query_only=ON")
        return connection

    def _connect(self, cache_mib: int) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=self._busy_seconds,
            isolation_level=None,  # we say BEGIN ourselves; the driver's implicit one is neither here nor there
            check_same_thread=False,
            cached_statements=512,
        )
        switch_to_wal(connection, self._busy_seconds)  # readers never wait for the writer
        connection.execute("PRAGMA synchronous=FULL")  # an acknowledged commit survives a power failure
        connection.execute("PRAGMA foreign_keys=ON")  # SQLite leaves them off by default
        connection.execute(f"PRAGMA cache_size=-{cache_mib << 10}")  # in KiB when negative
        # 64 MiB of pages instead of 4: an import dirties the same index pages again and again
        connection.execute("PRAGMA wal_autocheckpoint=16384")
        return connection

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open the write transaction. BEGIN IMMEDIATE takes the lock at once, so a commit never meets a rival."""
        if self._writer is None:
            self._writer = self._connect(_WRITER_CACHE_MIB)
        connection = self._writer
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield SqliteTransaction(connection)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _translated(error, self.path) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Open a read-only connection from the pool, on one snapshot for its whole life."""
        with self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")

    async def read(self, query: Callable[[sa.Connection], T]) -> T:
        """Run `query` in a reader thread; a cancelled caller leaves the thread to finish by itself."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, query)

    def _read(self, query: Callable[[sa.Connection], T]) -> T:
        try:
            with self.reading() as connection:
                return query(connection)
        except sa.exc.OperationalError as error:
            raise Unavailable("The database cannot be read now.", remedy="Try again in a moment.") from error

    def search(self, index: SearchIndex, text: str) -> sa.Select[Any] | None:
        """Return a SELECT of the keys whose document contains `text` as it stands, None without terms."""
        expression = match_expression(text)
        if expression is None:
            return None
        documents = sa.table(index.name, sa.column("rowid", sa.BigInteger))
        matching = sa.select(documents.c.rowid).where(sa.literal_column(index.name).op("MATCH")(expression))
        keys = sa.table(f"{index.name}_keys", sa.column("number", sa.BigInteger), sa.column("key", sa.Text))
        return sa.select(keys.c.key).where(keys.c.number.in_(matching))

    def close(self) -> None:
        """Close the readers and the writer."""
        self._pool.shutdown(wait=True)
        self._engine.dispose()
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class SqliteTransaction:
    """The write transaction that is open on `connection`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def load(self, table: sa.Table, column: str, keys: Sequence[str | int]) -> list[Row]:
        """Return the rows whose `column` is among `keys` (sent as one JSON array: one prepared statement)."""
        statements = _statements(table)
        rows = self._connection.execute(statements.load(column), (orjson.dumps(keys).decode(),)).fetchall()
        return statements.to_rows(rows)

    def insert(self, table: sa.Table, rows: Iterable[Row]) -> None:
        """Insert rows; a taken key or unique index raises `Clash`."""
        self._many(table, _statements(table).insert, rows)

    def upsert(self, table: sa.Table, rows: Iterable[Row]) -> None:
        """Insert or replace rows whole, by primary key."""
        self._many(table, _statements(table).upsert, rows)

    def _many(self, table: sa.Table, statement: str, rows: Iterable[Row]) -> None:
        try:
            self._connection.executemany(statement, map(_statements(table).to_values, rows))
        except sqlite3.IntegrityError as error:
            raise Clash(table.name) from error

    def delete(self, table: sa.Table, keys: Sequence[str | int]) -> None:
        """Delete rows by primary key."""
        self._connection.executemany(_statements(table).delete, [(key,) for key in keys])

    def truncate(self, table: sa.Table) -> None:
        """Delete every row."""
        self._connection.execute(f"DELETE FROM {table.name}")

    def index(self, changes: Sequence[IndexChange]) -> None:
        """Apply changes to contentless FTS5 tables, which need the old terms back to forget them."""
        fresh: dict[str, list[tuple[str, str]]] = {}
        for change in changes:
            if change.previous is None and change.terms is not None:
                fresh.setdefault(change.index.name, []).append((change.key, change.terms))
                continue
            self._index_new(fresh)  # what came before a replacement may be what it replaces
            if change.previous is not None:
                self._reindex(change.index.name, change.key, change.previous, change.terms)
        self._index_new(fresh)

    def _index_new(self, documents: dict[str, list[tuple[str, str]]]) -> None:
        """Number and index new documents by the name of their table, two statements for all; empties `documents`."""
        for name, rows in documents.items():
            (last,) = self._connection.execute(f"SELECT max(number) FROM {name}_keys").fetchone()
            first = (last or 0) + 1  # the write transaction holds every other writer off
            numbered = [(number, key) for number, (key, _) in enumerate(rows, first)]
            try:
                self._connection.executemany(f"INSERT INTO {name}_keys(number, key) VALUES (?, ?)", numbered)
            except sqlite3.IntegrityError as error:
                raise Clash(name) from error
            texts = ((number, terms) for number, (_, terms) in enumerate(rows, first))
            self._connection.executemany(f"INSERT INTO {name}(rowid, terms) VALUES (?, ?)", texts)
        documents.clear()

    def _reindex(self, name: str, key: str, previous: str, terms: str | None) -> None:
        """Forget a document's old terms; index `terms` in their place, or forget its number too."""
        found = self._connection.execute(f"SELECT number FROM {name}_keys WHERE key = ?", (key,)).fetchone()
        if found is None:
            return self._index_new({name: [(key, terms)]} if terms is not None else {})
        forget = f"INSERT INTO {name}({name}, rowid, terms) VALUES ('delete', ?, ?)"
        self._connection.execute(forget, (found[0], previous))
        if terms is None:
            self._connection.execute(f"DELETE FROM {name}_keys WHERE number = ?", found)
        else:
            self._connection.execute(f"INSERT INTO {name}(rowid, terms) VALUES (?, ?)", (found[0], terms))
        return None

    def lock_counter(self, name: str) -> int:
        """Return a counter; BEGIN IMMEDIATE already holds every other writer off."""
        row = self._connection.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def set_counter(self, name: str, value: int) -> None:
        """Store a counter."""
        self._connection.execute(
            "INSERT INTO counters(name, value) VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = excluded.value",
            (name, value),
        )


class _Statements:
    """The SQL of one table, built once, with the conversion of its rows both ways."""

    def __init__(self, table: sa.Table) -> None:
        self._name = table.name
        self.columns = tuple(column.name for column in table.columns)
        self._whole = itemgetter(*self.columns) if len(self.columns) > 1 else lambda row: (row[self.columns[0]],)
        self._booleans = tuple(c.name for c in table.columns if isinstance(c.type, sa.Boolean))
        (key,) = table.primary_key.columns or (None,)
        if key is None:
            raise TypeError(f"table {table.name} needs one primary-key column")
        names = ", ".join(f'"{name}"' for name in self.columns)
        marks = ", ".join("?" * len(self.columns))
        self._names = names
        self.insert = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks})'
        changes = ", ".join(f'"{n}" = excluded."{n}"' for n in self.columns if n != key.name)
        action = f"UPDATE SET {changes}" if changes else "NOTHING"
        self.upsert = f'{self.insert} ON CONFLICT("{key.name}") DO {action}'
        self.delete = f'DELETE FROM "{table.name}" WHERE "{key.name}" = ?'

    def load(self, column: str) -> str:
        return (
            f'SELECT {self._names} FROM "{self._name}" '
            f'WHERE "{column}" IN (SELECT value FROM json_each(?)) ORDER BY rowid'
        )

    def to_values(self, row: Row) -> tuple[Any, ...]:
        if len(row) > len(self.columns):
            unknown = set(row) - set(self.columns)
            raise TypeError(f"table {self._name} has no columns {sorted(unknown)}")
        try:
            values: tuple[Any, ...] = self._whole(row)
        except KeyError:  # columns left out become NULL
            return tuple([row.get(name) for name in self.columns])
        return values

    def to_rows(self, tuples: list[tuple[Any, ...]]) -> list[Row]:
        rows: list[dict[str, Any]] = [dict(zip(self.columns, values, strict=True)) for values in tuples]
        for name, row in ((name, row) for name in self._booleans for row in rows):
            if row[name] is not None:
                row[name] = bool(row[name])
        return list(chain(rows))


@lru_cache(maxsize=256)
def _statements(table: sa.Table) -> _Statements:
    return _Statements(table)


def switch_to_wal(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """Put the database into WAL mode, where it stays. SQLite's own busy time-out does not cover this step."""
    until = time.monotonic() + busy_seconds
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


def _translated(error: sqlite3.Error, path: Path) -> Exception:
    """Turn a driver error into one of ours; its own words go to the log, not to the caller."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL or (code in _FULL and _is_full(path)):
        return Exhausted(
            "The disk is full: nothing was written.",
            message_zh="磁盘已满：本次操作未写入任何内容。",
            remedy="Free space on the data volume, then send the same request again.",
            reason="DISK_FULL",
        )
    if code == sqlite3.SQLITE_CONSTRAINT:
        return Clash("")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}:
        return Unavailable(
            "The database cannot be written now: nothing was written.",
            message_zh="数据库暂时无法写入：本次操作未写入任何内容。",
            remedy="Send the same request again in a moment; if it goes on, call the operator.",
            reason="DATABASE_UNAVAILABLE",
        )
    return error


def _is_full(path: Path) -> bool:
    """Tell whether the volume has no room: SQLite calls a file that cannot grow an I/O error too, and keeps why to itself."""
    try:
        volume = os.statvfs(path.parent)
    except OSError:
        return False
    return volume.f_bavail * volume.f_frsize < _ROOM_BYTES
