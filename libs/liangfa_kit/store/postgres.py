"""PostgreSQL as a service's database: one schema, one writer at a time with the plain driver, pooled readers.

The transaction begins by locking the journal's counter and holds it to the end. So writers of several instances go one
after the other, as on SQLite: positions leave no gap, nobody overwrites what another has just written, and what a
handler did not find (a party's other case, say) is not there (ADR 0009 gives the price).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
import structlog
from psycopg.pq import TransactionStatus
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.pool import QueuePool

from liangfa_kit.errors import Unavailable
from liangfa_kit.search import query_phrases
from liangfa_kit.store.fence import ALL_ROWS, NO_ROWS, Visibility, VisibleRows, narrow
from liangfa_kit.store.place import PostgresPlace
from liangfa_kit.store.port import SearchIndex, Transaction
from liangfa_kit.store.postgres_errors import outcome_unknown, translated
from liangfa_kit.store.postgres_schema import indexed_terms
from liangfa_kit.store.postgres_statements import PostgresTransaction

T = TypeVar("T")
_log = structlog.get_logger("liangfa.store")
_BEGIN = "BEGIN; SELECT value FROM counters WHERE name = 'journal' FOR UPDATE"
_COMMIT = "COMMIT"


class PostgresStore:
    """The service's schema at `place`, which `migrate_postgres` has made.

    With `visibility` a reading sees of fenced tables what that allows in the task which asks, and nothing by default.
    """

    is_shared = True

    def __init__(self, place: PostgresPlace, visibility: Visibility | None = None) -> None:
        self._place = place
        self._visibility = visibility
        self._writer: psycopg.Connection[Any] | None = None
        self._pool = ThreadPoolExecutor(place.reader_count, thread_name_prefix=f"read-{place.schema}")
        self._engine = sa.create_engine(
            "postgresql+psycopg://",
            creator=self._reader,
            poolclass=QueuePool,
            pool_size=place.reader_count,
            max_overflow=2,
            pool_timeout=place.lock_seconds,
        )

    def _reader(self) -> psycopg.Connection[Any]:
        # A plan made for any text would not use the full-text index for a rare one.
        rows = NO_ROWS if self._visibility else ALL_ROWS
        connection = self._place.connect("reader", rows=rows, plan_cache_mode="force_custom_plan")
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        return connection

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open the write transaction, which waits for those of other instances.

        Raises `Preempted` when PostgreSQL undid it for another's sake, `Unavailable` when it cannot be reached. When
        the connection breaks while committing, nobody knows the outcome: `Unavailable` with COMMIT_OUTCOME_UNKNOWN.
        """
        connection, position = self._begin()
        transaction = PostgresTransaction(connection, {"journal": position})
        try:
            yield transaction
        except psycopg.Error as error:
            raise self._ended(error) from error
        except BaseException:
            self._roll_back()
            raise
        try:
            said = transaction.send(_COMMIT)
        except psycopg.Error as error:
            raise outcome_unknown() if connection.broken else self._ended(error) from error
        finally:
            self._roll_back()
        if said != _COMMIT:
            raise RuntimeError("an error inside the transaction was swallowed: PostgreSQL has rolled it back")

    def _begin(self) -> tuple[psycopg.Connection[Any], int]:
        """Return the writer's connection, in a transaction that holds the journal's counter, and its value."""
        if self._writer is not None and not self._writer.closed:
            try:
                return self._locked(self._writer)
            except psycopg.Error as error:
                if not self._writer.broken:
                    raise self._ended(error) from error
        self._drop_writer()  # the server was restarted, say: nothing is begun yet, so a new connection is as good
        try:
            # The writer loads by keys alone. A plan that was made while a table was small reads the whole of it for ever.
            self._writer = self._place.connect("writer", autocommit=True, enable_seqscan="off")
            return self._locked(self._writer)
        except psycopg.Error as error:
            raise self._ended(error) from error

    def _locked(self, connection: psycopg.Connection[Any]) -> tuple[psycopg.Connection[Any], int]:
        cursor = connection.execute(_BEGIN)
        cursor.nextset()
        row = cursor.fetchone()
        if row is None:
            connection.execute("INSERT INTO counters (name, value) VALUES ('journal', 0) ON CONFLICT DO NOTHING")
            row = connection.execute("SELECT value FROM counters WHERE name = 'journal' FOR UPDATE").fetchone()
            assert row is not None  # noqa: S101 - just written, or by the one we waited for
        return connection, int(row[0])

    def _ended(self, error: psycopg.Error) -> Exception:
        """Roll back, and return what the driver's error means to us."""
        self._roll_back()
        _log.warning("transaction_refused", schema=self._place.schema, sqlstate=error.sqlstate)
        return translated(error)

    def _roll_back(self) -> None:
        writer = self._writer
        if writer is None or _is_idle(writer):
            return
        with suppress(psycopg.Error):
            writer.execute("ROLLBACK")
        if not _is_idle(writer):
            self._drop_writer()

    def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Open a read-only connection from the pool, on one snapshot from its first statement on."""
        with self._fenced(self._visibility() if self._visibility else None) as connection:
            yield connection

    @contextmanager
    def _fenced(self, rows: VisibleRows | None) -> Iterator[sa.Connection]:
        with self._engine.connect() as connection:
            if rows is not None:
                narrow(connection, rows)
            yield connection

    async def read(self, query: Callable[[sa.Connection], T]) -> T:
        """Run `query` in a reader thread; a cancelled caller leaves the thread to finish by itself.

        `query` may run twice: when the server was restarted since the last reading.
        """
        rows = self._visibility() if self._visibility else None  # here: the reader's thread knows no caller
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, query, rows)

    def _read(self, query: Callable[[sa.Connection], T], rows: VisibleRows | None, *, again: bool = True) -> T:
        try:
            with self._fenced(rows) as connection:
                return query(connection)
        except sa.exc.DBAPIError as error:
            if again and error.connection_invalidated:
                return self._read(query, rows, again=False)
            if isinstance(error.orig, psycopg.OperationalError):
                raise translated(error.orig) from error
            raise
        except sa.exc.TimeoutError as error:
            raise Unavailable(
                "Every reader is busy.",
                message_zh="数据库读取连接繁忙。",
                remedy="Try again in a moment; if it goes on, the operator raises LIANGFA_DATABASE__READER_COUNT.",
                reason="DATABASE_BUSY",
            ) from error

    def search(self, index: SearchIndex, text: str) -> sa.Select[Any] | None:
        """Return a SELECT of the keys whose document contains `text` as it stands, None without terms.

        The index finds the documents that hold all the terms; of phrases, the text then tells whether they stand
        together. Positions within a tsvector would not: they end at 16,383, and at 256 for one term.
        """
        phrases = query_phrases(text)
        if not phrases:
            return None
        documents = sa.table(index.name, sa.column("key", sa.Text), sa.column("terms", sa.Text))
        wanted = " & ".join(" & ".join([*map(_quoted, phrase[:-1]), f"{_quoted(phrase[-1])}:*"]) for phrase in phrases)
        conditions: list[sa.ColumnElement[bool]] = [
            sa.literal_column(indexed_terms(index.name)).op("@@")(sa.cast(wanted, TSQUERY))
        ]
        spaced = sa.literal(" ").concat(documents.c.terms)
        conditions += [sa.func.strpos(spaced, f" {' '.join(phrase)}") > 0 for phrase in phrases if len(phrase) > 1]
        # The full-text index goes first, always: the planner does not know how few rows a region's or an agency's
        # condition leaves, and has looked through every document of 50,000 (0.8 s) for what the index tells in 5 ms.
        matching = sa.select(documents.c.key).where(*conditions).cte().prefix_with("MATERIALIZED")
        return sa.select(matching.c.key)

    def close(self) -> None:
        """Close the readers and the writer."""
        self._pool.shutdown(wait=True)
        self._engine.dispose()
        self._drop_writer()


def _is_idle(connection: psycopg.Connection[Any]) -> bool:
    return connection.info.transaction_status == TransactionStatus.IDLE


def _quoted(term: str) -> str:
    return "'" + term.replace("\\", "\\\\").replace("'", "''") + "'"
