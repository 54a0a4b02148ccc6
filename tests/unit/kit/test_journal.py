"""The hash chain: any change to a stored entry is found and named."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa

from liangfa_kit.verify import journal_faults
from tests.tally import KIT, admin_engine, metadata, open_store, tally_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("either_database")]


async def filled(folder: Path) -> None:
    async with tally_service(folder) as tally:
        await asyncio.gather(*(tally.raise_(f"t{i % 3}", request_id=f"r{i}") for i in range(12)))


def faults_after(folder: Path, *statements: str) -> list[tuple[int, str, str]]:
    path = folder / "tally.sqlite3"
    engine = admin_engine(path)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()
    store = open_store(path, metadata)
    try:
        return [(f.position, f.stream, f.rule) for f in journal_faults(store, KIT)]
    finally:
        store.close()


async def test_an_untouched_journal_has_no_faults(tmp_path: Path) -> None:
    """What the train wrote verifies."""
    await filled(tmp_path)
    assert faults_after(tmp_path) == []


@pytest.mark.parametrize(
    "column",
    ["id", "type", "schema_version", "at_micros", "actor", "request_id", "payload", "hash", "previous_hash", "digest"],
)
async def test_a_flipped_byte_in_any_stored_field_is_found_and_named(tmp_path: Path, column: str) -> None:
    """One bit of one field of entry 5 is enough, and entry 5 is named."""
    await filled(tmp_path)
    engine = admin_engine(tmp_path / "tally.sqlite3")
    entry = sa.select(KIT.journal.c[column]).where(KIT.journal.c.position == 5)
    with engine.begin() as connection:
        value = connection.execute(entry).scalar_one()
        changed = value + 1 if isinstance(value, int) else _flipped(value)
        connection.execute(sa.update(KIT.journal).where(KIT.journal.c.position == 5).values({column: changed}))
    engine.dispose()
    found = faults_after(tmp_path)
    assert (5, "tally/t1") in {(position, stream) for position, stream, _ in found}


def _flipped(value: str | bytes) -> str | bytes:
    if isinstance(value, str):
        return chr(ord(value[0]) ^ 1) + value[1:]
    return bytes([*value[:-1], value[-1] ^ 1])


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("DELETE FROM journal WHERE position = 6", "POSITION_GAP"),
        ("DELETE FROM journal WHERE position = 12", "JOURNAL_TRUNCATED"),
        ("UPDATE streams SET version = version - 1 WHERE stream = 'tally/t2'", "HEAD_MISMATCH"),
        ("DELETE FROM streams WHERE stream = 'tally/t2'", "HEAD_MISSING"),
        ("UPDATE counters SET value = value + 1 WHERE name = 'journal'", "JOURNAL_TRUNCATED"),
        ("UPDATE journal SET version = 99 WHERE position = 7", "VERSION_GAP"),
    ],
)
async def test_missing_and_moved_entries_are_found(tmp_path: Path, statement: str, rule: str) -> None:
    """Removal, truncation and renumbering break the chain as surely as a changed byte."""
    await filled(tmp_path)
    assert rule in {found for _, _, found in faults_after(tmp_path, statement)}
