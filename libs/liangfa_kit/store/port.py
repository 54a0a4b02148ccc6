"""What a service's database offers; nothing above this port knows the dialect.

SQLite and PostgreSQL implement it here; another database joins by passing the same conformance suite (tests/conformance).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

T = TypeVar("T")
Row = Mapping[str, Any]
"""One row by column name. Values are str, int, bool, bytes or None. Read-only: copy it to change it."""


@dataclass(frozen=True, slots=True)
class SearchIndex:
    """A full-text index over Chinese text (bigrams made at write time). `name` is its table."""

    name: str


@dataclass(frozen=True, slots=True)
class IndexChange:
    """Replace the terms of the document of the entity `key`.

    `previous` are the terms indexed before, exactly, or None for a new document; `terms` None removes it.
    """

    index: SearchIndex
    key: str
    terms: str | None
    previous: str | None


class Transaction(Protocol):
    """One write transaction, in the writer's thread. Rows keep the order in which they were given."""

    def load(self, table: sa.Table, column: str, keys: Sequence[str | int]) -> list[Row]:
        """Return the rows whose `column` is one of `keys`: one statement, however many keys."""
        ...

    def insert(self, table: sa.Table, rows: Iterable[Row]) -> None:
        """Insert rows; raises `Clash` when a key or unique index is taken."""
        ...

    def upsert(self, table: sa.Table, rows: Iterable[Row]) -> None:
        """Insert rows or replace them whole by primary key."""
        ...

    def delete(self, table: sa.Table, keys: Sequence[str | int]) -> None:
        """Delete rows by primary key; a missing one is no error."""
        ...

    def truncate(self, table: sa.Table) -> None:
        """Delete every row (read-model rebuild)."""
        ...

    def index(self, changes: Sequence[IndexChange]) -> None:
        """Apply changes to full-text indexes, in order; raises `Clash` when a new document's key has one already."""
        ...

    def lock_counter(self, name: str) -> int:
        """Return a counter's value (0 when unknown), held against other writers until the commit."""
        ...

    def set_counter(self, name: str, value: int) -> None:
        """Store a counter that this transaction has locked."""
        ...


class Store(Protocol):
    """A service's database: one writer at a time, readers that never wait for it."""

    @property
    def is_shared(self) -> bool:
        """Whether several replicas of the service may have it open."""
        ...

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Open a write transaction: commits on a clean exit, rolls back on any exception."""
        ...

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """Open a read-only connection on a consistent snapshot, in the caller's thread."""
        ...

    async def read(self, query: Callable[[sa.Connection], T]) -> T:
        """Run `query` in a reader thread and return its result."""
        ...

    def search(self, index: SearchIndex, text: str) -> sa.Select[Any] | None:
        """Return a selectable of the keys whose document contains `text`, or None when `text` has no terms."""
        ...

    def close(self) -> None:
        """Close every connection. Transactions under way are rolled back."""
        ...


class Preempted(Exception):
    """The database undid a transaction to let another go on (a deadlock, say). Nothing was written: run it again whole."""


class Clash(Exception):
    """A uniqueness rule refused a write. `table` names where; the driver's words stay in the log."""

    def __init__(self, table: str) -> None:
        super().__init__(table)
        self.table = table
