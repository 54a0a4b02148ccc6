"""Copying a SQLite database while it is written to, and telling a copy that its event log is a new one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from liangfa_kit.store.port import Store
    from liangfa_kit.store.tables import KitTables


def copy_database(source: Path, target: Path) -> None:
    """Copy `source` as it is at one moment to the new file `target`; writers go on meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as reading,
        closing(sqlite3.connect(target)) as writing,
    ):
        reading.backup(writing)


def begin_log_anew(store: Store, tables: KitTables) -> None:
    """Let the relay publish the whole journal again and consumers read from the beginning.

    For a database whose event log is gone, or belongs to another moment. Nothing is applied twice: consumers know what
    they have applied by its position in the journal, wherever it stands in the log.
    """
    counters, positions = tables.counters, tables.consumer_positions
    with store.reading() as connection:
        relays = connection.execute(sa.select(counters.c.name).where(counters.c.name.startswith("relay/"))).scalars()
        told = [{"name": name, "value": 0} for name in relays]
        places = connection.execute(sa.select(positions)).mappings().all()
    with store.transaction() as tx:
        tx.upsert(counters, told)
        tx.upsert(positions, [{**place, "next_offset": 0} for place in places])
