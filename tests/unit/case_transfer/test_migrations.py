"""Databases of earlier releases come to this one with what they hold."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from liangfa_case_transfer import wiring
from liangfa_kit.store.migrate import migrate, sqlite_url
from liangfa_protos.case_transfer.v1 import transfer_pb2
from tests.transferring import POLICE, running_service

MIGRATIONS = Path(wiring.__file__).parent / "migrations"
ROW = (
    "INSERT INTO transfers (id, case_id, region, state, sender_id, receiver_id, supervisor_id, changed_at, steps, receipts,"
    " last_receipt, body, clocks) VALUES (?, 'case', '420111', 'approved', ?, 'p', 's', 1, 1, 0, '', x'', 0)"
)


def test_a_case_number_comes_to_count_within_its_agency(tmp_path: Path) -> None:
    """Of a first database only two agencies gain: one agency still sends a case once."""
    path = tmp_path / "transfers.sqlite3"
    migrate(sqlite_url(path), MIGRATIONS, "0001")
    with sqlite3.connect(path) as old:
        old.executescript(
            "DROP TABLE former_receivers; DROP INDEX transfers_part_of_case; ALTER TABLE transfers DROP COLUMN part;"
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


OLD_PAGES = """
DROP INDEX transfers_part_of_case; ALTER TABLE transfers DROP COLUMN part;
CREATE UNIQUE INDEX transfers_case_of_sender ON transfers(case_id, sender_id);
DROP INDEX clocks_of_transfer; DROP INDEX clocks_open; DROP INDEX receipts_waiting;
ALTER TABLE clocks DROP COLUMN number; ALTER TABLE clocks DROP COLUMN open_of;
ALTER TABLE receipts DROP COLUMN open_of;
CREATE INDEX clocks_transfer ON clocks(transfer_id);
"""


def test_limits_are_numbered_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    """What runs and what waits is found by its own column; the next limit gets the next number."""
    path = tmp_path / "transfers.sqlite3"
    migrate(sqlite_url(path), MIGRATIONS, "0004")
    with sqlite3.connect(path) as old:
        old.executescript(OLD_PAGES)
        old.execute(ROW, ("t", "market"))
        old.execute("ALTER TABLE transfers DROP COLUMN clocks")
        for rule, began, is_running in (("late", 20, True), ("early", 10, False), ("middle", 15, True)):
            state = transfer_pb2.CLOCK_STATE_RUNNING if is_running else transfer_pb2.CLOCK_STATE_STOPPED
            clock = transfer_pb2.Clock(id=f"t/{rule}/1", transfer_id="t", rule_id=rule, state=state)
            clock.started_at.FromSeconds(began)
            old.execute(
                "INSERT INTO clocks (id, transfer_id, is_running, sender_id, receiver_id, supervisor_id, owes_id, body)"
                " VALUES (?, 't', ?, 'market', 'p', 's', 'p', ?)",
                (clock.id, is_running, clock.SerializeToString()),
            )
        for number in (1, 2):
            old.execute(
                "INSERT INTO receipts (id, transfer_id, number, sender_id, receiver_id, supervisor_id, is_received, sent_at,"
                " body) VALUES (?, 't', ?, 'market', 'p', 's', ?, 1, x'')",
                (f"r{number}", number, number == 1),
            )
    old.close()
    migrate(sqlite_url(path), MIGRATIONS)
    with sqlite3.connect(path) as new:
        rows = new.execute("SELECT id, number, open_of, body FROM clocks ORDER BY number").fetchall()
        assert [row[:3] for row in rows] == [("t/early/1", 1, None), ("t/middle/1", 2, "t"), ("t/late/1", 3, "t")]
        assert [transfer_pb2.Clock.FromString(row[3]).number for row in rows] == [1, 2, 3]
        assert new.execute("SELECT id FROM receipts WHERE open_of = 't'").fetchall() == [("r2",)]
        assert new.execute("SELECT clocks FROM transfers").fetchall() == [(3,)]
    new.close()


def test_a_database_from_before_documents_gets_their_tables(tmp_path: Path) -> None:
    """With the index that keeps a number from being given twice."""
    path = tmp_path / "transfers.sqlite3"
    migrate(sqlite_url(path), MIGRATIONS)
    with sqlite3.connect(path) as old:
        old.executescript(
            "DROP TABLE issued_documents; DROP TABLE number_series; UPDATE alembic_version SET version_num = '0003';"
        )
    old.close()
    migrate(sqlite_url(path), MIGRATIONS)
    row = (
        "INSERT INTO issued_documents VALUES (?, ?, 't', 1, 'transfer_letter', 'market', 0, '洪市监移〔2026〕1号', x'')"
    )
    with sqlite3.connect(path) as new:
        new.execute(row, ("a/0001", "a"))
        with pytest.raises(sqlite3.IntegrityError):
            new.execute(row, ("b/0001", "b"))
        assert new.execute("SELECT count(*) FROM number_series").fetchone() == (0,)
    new.close()
