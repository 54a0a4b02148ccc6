"""Checking a stored journal against its own hash chain: what `liangfa verify` does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import sqlalchemy as sa

from liangfa_kit.journal import Entry, Fault, Head, faults

if TYPE_CHECKING:
    from liangfa_kit.store.port import Store
    from liangfa_kit.store.tables import KitTables

_CHUNK = 2_000


def journal_faults(store: Store, tables: KitTables) -> Iterator[Fault]:
    """Yield everything that is wrong with the stored journal, reading it once, on one snapshot."""
    with store.reading() as connection:
        heads = [(row.stream, Head(row.version, row.hash)) for row in connection.execute(sa.select(tables.streams))]
        counter = sa.select(tables.counters.c.value).where(tables.counters.c.name == "journal")
        last_position = int(connection.execute(counter).scalar() or 0)
        yield from faults(_entries(connection, tables), heads, last_position)


def journal_length(store: Store, tables: KitTables) -> int:
    """Return how many entries the journal holds."""
    with store.reading() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(tables.journal)).scalar() or 0)


def _entries(connection: sa.Connection, tables: KitTables) -> Iterator[Entry]:
    query = sa.select(tables.journal).order_by(tables.journal.c.position)
    for row in connection.execution_options(yield_per=_CHUNK).execute(query):
        yield Entry(*row)
