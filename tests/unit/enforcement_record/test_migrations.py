"""Databases of earlier releases come to this one with what they hold."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from liangfa_enforcement_record.tables import cases
from liangfa_kit.search import index_terms
from liangfa_kit.store.migrate import migrate, sqlite_url
from liangfa_kit.store.sqlite import SqliteStore
from tests.enforcement import MIGRATIONS, case, running_record
from tests.unit.enforcement_record.test_entering import found


async def one_case(folder: Path) -> str:
    async with running_record(folder) as record:
        await record.register(case())
        return str((await record.rows(cases))[0]["id"])


def test_documents_indexed_under_numbers_made_of_ids_are_found_by_the_ids(tmp_path: Path) -> None:
    """The numbers of the first schema move beside their keys."""
    case_id = asyncio.run(one_case(tmp_path))
    path = tmp_path / "records.sqlite3"
    with sqlite3.connect(path) as old:
        old.executescript(
            "DROP TABLE case_text_keys; ALTER TABLE cases ADD COLUMN search_id BIGINT; UPDATE cases SET search_id = 77;"
            "CREATE UNIQUE INDEX cases_search_id ON cases(search_id); UPDATE alembic_version SET version_num = '0001';"
        )
        old.execute("INSERT INTO case_text(rowid, terms) VALUES (77, ?)", (index_terms("陈年旧案"),))
    old.close()
    migrate(sqlite_url(path), MIGRATIONS)
    store = SqliteStore(path)
    assert found(store, "陈年旧案") == {case_id}
    store.close()
