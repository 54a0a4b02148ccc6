"""Databases of earlier releases come to this one with what they hold."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from liangfa_case_transfer import wiring
from liangfa_kit.store.migrate import migrate, sqlite_url
from tests.transferring import POLICE, running_service

MIGRATIONS = Path(wiring.__file__).parent / "migrations"
ROW = "INSERT INTO transfers VALUES (?, 'case', '420111', 'approved', ?, 'p', 's', 1, 1, 0, '', x'')"


def test_a_case_number_comes_to_count_within_its_agency(tmp_path: Path) -> None:
    """Of a first database only two agencies gain: one agency still sends a case once."""
    path = tmp_path / "transfers.sqlite3"
    migrate(sqlite_url(path), MIGRATIONS, "0001")
    with sqlite3.connect(path) as old:
        old.executescript(
            "DROP TABLE former_receivers; DROP INDEX transfers_case_of_sender;"
            "CREATE UNIQUE INDEX transfers_case ON transfers(case_id);"
        )
        old.execute(ROW, ("one", "market"))
    old.close()
    migrate(sqlite_url(path), MIGRATIONS)
    with sqlite3.connect(path) as new:
        new.execute(ROW, ("two", "ecology"))
        with pytest.raises(sqlite3.IntegrityError):
            new.execute(ROW, ("three", "market"))
        assert new.execute("SELECT count(*) FROM former_receivers").fetchone() == (0,)
    new.close()


async def one_signed_and_one_open(folder: Path) -> None:
    async with running_service(folder) as service:
        transfer = await service.open()
        await service.walk(transfer, ("report_to_head", "approve_transfer", "deliver_transfer"))
        await service.sign(transfer, POLICE)
        await service.walk(transfer, ("copy_to_procuratorate",))


def received(path: Path) -> list[tuple[int, int | None]]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT is_received, received_at FROM receipts ORDER BY number").fetchall()
    connection.close()
    return rows


def test_receipts_of_an_older_schema_learn_when_they_were_signed_for(tmp_path: Path) -> None:
    """From what they hold; an open one has no such moment, and the day's receipts are found by an index again."""
    asyncio.run(one_signed_and_one_open(tmp_path))
    path = wiring.database_path(tmp_path)
    before = received(path)
    assert [row[1] is None for row in before] == [False, True]
    with sqlite3.connect(path) as old:
        old.executescript(
            "DROP INDEX receipts_sent; DROP INDEX receipts_received; ALTER TABLE receipts DROP COLUMN received_at;"
            "UPDATE alembic_version SET version_num = '0002';"
        )
    old.close()
    migrate(sqlite_url(path), MIGRATIONS)
    assert received(path) == before
    with sqlite3.connect(path) as now:
        indexes = {name for (name,) in now.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    now.close()
    assert {"receipts_sent", "receipts_received"} <= indexes
