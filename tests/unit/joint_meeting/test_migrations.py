"""Databases of earlier releases come to this one with what they hold."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from liangfa_joint_meeting import wiring
from liangfa_kit.store.migrate import migrate, sqlite_url

MIGRATIONS = Path(wiring.__file__).parent / "migrations"


def test_tasks_from_before_await_no_step_and_what_is_seen_of_transfers_begins_empty(tmp_path: Path) -> None:
    """The first release knew tasks without a case, and no transfers."""
    path = tmp_path / "joint_meeting.sqlite3"
    migrate(sqlite_url(path), MIGRATIONS)
    with sqlite3.connect(path) as old:
        old.executescript(
            "DROP TABLE transfers_seen; DROP TABLE steps_seen; DROP TABLE limits_seen; DROP TABLE kept_files;"
            "DROP INDEX tasks_step; ALTER TABLE tasks DROP COLUMN awaits_step; ALTER TABLE tasks DROP COLUMN given_at;"
            "ALTER TABLE tasks DROP COLUMN case_id; UPDATE alembic_version SET version_num = '0001';"
            "INSERT INTO tasks (id, region, owner_unit_id, state, due_at, body) VALUES ('t', '420111', 'police', 1, 1, x'');"
        )
    old.close()
    migrate(sqlite_url(path), MIGRATIONS)
    with sqlite3.connect(path) as new:
        assert new.execute("SELECT case_id, given_at, awaits_step FROM tasks").fetchall() == [("", 0, None)]
        for table in ("transfers_seen", "steps_seen", "limits_seen", "kept_files"):
            assert new.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    new.close()
