"""Writing and loading many rows with one statement a table, and as few round trips as can be while others wait.

What is written is kept until something is read or the transaction ends, and then sent in one go (libpq's pipeline), the
COMMIT with it. Rows travel as a JSON record set, many new rows by binary COPY, which costs a third but two round trips
of its own (ADR 0009).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

import orjson
import psycopg
import sqlalchemy as sa

from liangfa_kit.search import MAX_QUERY_CHARACTERS
from liangfa_kit.store.port import Clash, IndexChange, Row

_TYPES: tuple[tuple[type[Any], str], ...] = (
    (sa.Boolean, "bool"),
    (sa.BigInteger, "int8"),
    (sa.Integer, "int4"),
    (sa.Float, "float8"),
    (sa.String, "text"),
    (sa.LargeBinary, "bytea"),
)
_MANY = 20
"""From how many new rows on COPY is the faster way."""
_COUNTER = "INSERT INTO counters (name, value) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_LONG_TERM = re.compile(rf"(\S{{{MAX_QUERY_CHARACTERS}}})\S+")


class PostgresTransaction:
    """The write transaction that is open on `connection`; `counters` are those that it has locked, with their values."""

    def __init__(self, connection: psycopg.Connection[Any], counters: dict[str, int]) -> None:
        self._connection = connection
        self._counters = counters
        self._waiting: list[tuple[str, tuple[Any, ...]]] = []

    def send(self, last: str = "") -> str | None:
        """Send what waits, and `last` after it; return what the server said to `last`. Raises the driver's errors."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return self._connection.execute(last.encode()).statusmessage if last else None
        with self._connection.pipeline():
            for statement, parameters in waiting:
                self._connection.execute(statement.encode(), parameters, prepare=True)
            done = self._connection.execute(last.encode()) if last else None
        return done.statusmessage if done else None

    def load(self, table: sa.Table, column: str, keys: Sequence[str | int]) -> list[Row]:
        """Return the rows whose `column` is among `keys`, in order of arrival."""
        self.send()
        statements = _statements(table)
        cursor = self._connection.cursor(binary=True)
        rows = cursor.execute(statements.load(column), (list(keys),), prepare=True).fetchall()
        return [dict(zip(statements.columns, row, strict=True)) for row in rows]

    def insert(self, table: sa.Table, rows: Iterable[Row]) -> None:
        """Insert rows; a taken key or unique index raises `Clash`."""
        statements = _statements(table)
        given = list(rows)
        if len(given) >= _MANY:
            self._copy(table.name, statements.copy, statements.types, map(statements.to_values, given))
        elif given:
            text = orjson.dumps([statements.to_json(row) for row in given]).decode()
            self._waiting.append((statements.insert, (text,)))

    def _copy(
        self, name: str, statement: str, types: Sequence[str], rows: Iterable[Sequence[str | int | bytes | None]]
    ) -> None:
        self.send()
        try:
            with self._connection.cursor().copy(statement.encode()) as copy:
                copy.set_types(types)
                for row in rows:
                    copy.write_row(row)
        except psycopg.IntegrityError as error:
            raise Clash(name) from error

    def upsert(self, table: sa.Table, rows: Iterable[Row]) -> None:
        """Insert or replace rows whole, by primary key; of rows with one key the last counts."""
        statements = _statements(table)
        by_key = {row[statements.key]: statements.to_json(row) for row in rows}
        if not by_key:
            return
        self._waiting.append((statements.upsert, (orjson.dumps(list(by_key.values())).decode(),)))

    def delete(self, table: sa.Table, keys: Sequence[str | int]) -> None:
        """Delete rows by primary key."""
        self._waiting.append((_statements(table).delete, (list(keys),)))

    def truncate(self, table: sa.Table) -> None:
        """Delete every row, however long it takes. Not by TRUNCATE: it would take them away from readers' snapshots."""
        self._waiting.append(("SET LOCAL statement_timeout = 0", ()))
        self._waiting.append((f'DELETE FROM "{table.name}"', ()))

    def index(self, changes: Sequence[IndexChange]) -> None:
        """Apply changes to full-text indexes: new documents together, the others one by one."""
        fresh: dict[str, list[tuple[str, str]]] = {}
        for change in changes:
            terms = None if change.terms is None else _LONG_TERM.sub(r"\1", change.terms)
            if change.previous is None and terms is not None:
                fresh.setdefault(change.index.name, []).append((change.key, terms))
                continue
            self._index_new(fresh)  # what came before a replacement may be what it replaces
            if change.previous is not None:
                self._reindex(change.index.name, change.key, terms)
        self._index_new(fresh)

    def _index_new(self, documents: dict[str, list[tuple[str, str]]]) -> None:
        for name, rows in documents.items():
            if len(rows) >= _MANY:
                self._copy(name, f"COPY {name} (key, terms) FROM STDIN (FORMAT binary)", ("text", "text"), rows)
            else:
                self._waiting += [(f"INSERT INTO {name} (key, terms) VALUES (%s, %s)", row) for row in rows]
        documents.clear()

    def _reindex(self, name: str, key: str, terms: str | None) -> None:
        if terms is None:
            self._waiting.append((f"DELETE FROM {name} WHERE key = %s", (key,)))
            return
        statement = (
            f"INSERT INTO {name} (key, terms) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET terms = excluded.terms"
        )
        self._waiting.append((statement, (key, terms)))

    def lock_counter(self, name: str) -> int:
        """Return a counter, held until the end of the transaction."""
        if name in self._counters:
            return self._counters[name]
        self.send()
        query = "SELECT value FROM counters WHERE name = %s FOR UPDATE"
        row = self._connection.execute(query, (name,), prepare=True).fetchone()
        self._counters[name] = value = int(row[0]) if row else 0
        return value

    def set_counter(self, name: str, value: int) -> None:
        """Store a counter."""
        self._waiting.append((_COUNTER, (name, value)))
        self._counters[name] = value


class _Statements:
    """The SQL of one table, built once, with the conversion of its rows."""

    def __init__(self, table: sa.Table) -> None:
        if len(table.primary_key.columns) != 1:
            raise TypeError(f"table {table.name} needs one primary-key column")
        (key,) = table.primary_key.columns
        self._name = table.name
        self.key = key.name
        self.columns = tuple(str(column.name) for column in table.columns)
        self.types = tuple(_type(column) for column in table.columns)
        self._type_of = dict(zip(self.columns, self.types, strict=True))
        self._binary = tuple(name for name, kind in self._type_of.items() if kind == "bytea")
        self._whole: Callable[[Row], tuple[Any, ...]] = (
            itemgetter(*self.columns) if len(self.columns) > 1 else lambda row: (row[self.key],)
        )
        names = ", ".join(f'"{name}"' for name in self.columns)
        self._names = names
        self._order = f'"{self.key}"' if isinstance(key.type, sa.Integer) else "arrival"
        self.copy = f'COPY "{table.name}" ({names}) FROM STDIN (FORMAT binary)'
        records = ", ".join(f'"{name}" {kind}' for name, kind in self._type_of.items())
        changes = ", ".join(f'"{n}" = excluded."{n}"' for n in self.columns if n != self.key)
        self.insert = (
            f'INSERT INTO "{table.name}" ({names}) SELECT {names} FROM json_to_recordset(%s::json) AS given({records})'
        )
        self.upsert = f'{self.insert} ON CONFLICT ("{self.key}") DO ' + (
            f"UPDATE SET {changes}" if changes else "NOTHING"
        )
        self.delete = f'DELETE FROM "{table.name}" WHERE "{self.key}" = ANY(%s::{self._type_of[self.key]}[])'

    def load(self, column: str) -> str:
        return (
            f'SELECT {self._names} FROM "{self._name}" '
            f'WHERE "{column}" = ANY(%s::{self._type_of[column]}[]) ORDER BY {self._order}'
        )

    def to_values(self, row: Row) -> tuple[Any, ...]:
        self._check(row)
        try:
            return self._whole(row)
        except KeyError:  # columns left out become NULL
            return tuple([row.get(name) for name in self.columns])

    def to_json(self, row: Row) -> dict[str, Any]:
        """Return the row for JSON, in which bytes are hexadecimal."""
        record = dict(zip(self.columns, self.to_values(row), strict=True))
        for name in self._binary:
            value = record.get(name)
            if value is not None:
                record[name] = "\\x" + value.hex()
        return record

    def _check(self, row: Row) -> None:
        if len(row) > len(self.columns) or not row.keys() <= self._type_of.keys():
            raise TypeError(f"table {self._name} has no columns {sorted(set(row) - set(self.columns))}")


def _type(column: sa.Column[Any]) -> str:
    for kind, name in _TYPES:
        if isinstance(column.type, kind):
            return name
    raise TypeError(f"column {column} is of a type that the store does not write: {column.type!r}")


@lru_cache(maxsize=256)
def _statements(table: sa.Table) -> _Statements:
    return _Statements(table)
