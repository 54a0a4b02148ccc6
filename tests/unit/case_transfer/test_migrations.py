"""Databases of earlier releases come to this one with what they hold."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from liangfa_case_transfer import wiring
from liangfa_kit.store.migrate import migrate, sqlite_url

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
