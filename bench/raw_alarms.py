"""The driver alone, writing into empty tables of the same shape what telling of limits has written, 200 a commit."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from tests.servers.databases import database_of

from liangfa_case_transfer.tables import KIT, clocks, metadata
from liangfa_kit.store.port import Store

_TOGETHER = 200
_TABLES = (clocks, KIT.journal, KIT.streams)
Rows = Sequence[tuple[Any, ...]]


def raw_alarm_rate(folder: Path, store: Store, count: int) -> float:
    """Return tellings a second of bare statements: a clock, a journal entry and a stream's head each."""
    with store.reading() as connection:
        written = [_newest(connection, table, count) for table in _TABLES]
    url = database_of(folder).url.get_secret_value()
    return _on_postgres(url, written) if url else _on_sqlite(folder / "raw.sqlite3", written)


def _newest(connection: sa.Connection, table: sa.Table, count: int) -> Rows:
    """Return rows that tellings have left in a table, of the newest `count` of them."""
    journal = KIT.journal.c
    told = sa.select(journal.stream).where(journal.stream.startswith("clock/"))
    streams = told.order_by(journal.position.desc()).limit(count).subquery()
    column = "clock/" + table.c.id if table is clocks else table.c.stream
    return [tuple(row) for row in connection.execute(sa.select(table).where(column.in_(sa.select(streams))))]


def _on_sqlite(path: Path, written: Sequence[Rows]) -> float:
    engine = sa.create_engine(f"sqlite:///{path}")
    metadata.create_all(engine)
    engine.dispose()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    try:
        return _rate(connection.execute, connection.executemany, "?", "", written)
    finally:
        connection.close()


def _on_postgres(url: str, written: Sequence[Rows]) -> float:
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA raw")
        for table in _TABLES:
            cursor.execute(f"CREATE TABLE raw.{table.name} (LIKE case_transfer.{table.name} INCLUDING ALL)".encode())
        return _rate(lambda text: cursor.execute(text.encode()), _encoded(cursor), "%s", "raw.", written)


def _encoded(cursor: psycopg.Cursor[Any]) -> Callable[[str, Rows], object]:
    return lambda text, rows: cursor.executemany(text.encode(), rows)


def _rate(
    execute: Callable[[str], object],
    execute_many: Callable[[str, Rows], object],
    mark: str,
    schema: str,
    written: Sequence[Rows],
) -> float:
    statements = [_insert(table, mark, schema) for table in _TABLES]
    count, begun = len(written[0]), time.perf_counter()
    for start in range(0, count, _TOGETHER):
        execute("BEGIN")
        for statement, rows in zip(statements, written, strict=True):
            execute_many(statement, rows[start : start + _TOGETHER])
        execute("COMMIT")
    return count / (time.perf_counter() - begun)


def _insert(table: sa.Table, mark: str, schema: str) -> str:
    marks: Iterable[str] = [mark] * len(table.c)
    return f"INSERT INTO {schema}{table.name} VALUES ({', '.join(marks)})"
