"""What a reading costs the database, counted and not timed: the same on a busy machine and on an idle one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from tests.servers.databases import database_of

Reading = Callable[[sa.Connection], Any]


def cost(connection: sa.Connection, reading: Reading) -> int:
    """Return the steps of SQLite's machine, or the rows that PostgreSQL's scans looked at, for `reading`."""
    if connection.dialect.name == "sqlite":
        return _steps(connection, reading)
    return sum(_rows_scanned(one["Plan"]) for one in _explained(connection, reading, "ANALYZE, FORMAT JSON"))


def plans(connection: sa.Connection, reading: Reading) -> list[str]:
    """Return the plan of each statement of `reading` in the database's own words."""
    if connection.dialect.name == "postgresql":
        return [str(one["Plan"]) for one in _explained(connection, reading, "FORMAT JSON")]
    with _statements(connection) as statements:
        reading(connection)
    found = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given).all() for text, given in statements]
    return ["; ".join(row[3] for row in rows) for rows in found]


def gather_statistics(folder: Path) -> None:
    """Let PostgreSQL's planner know what is in the database under `folder`; nothing on SQLite, which does without."""
    if url := database_of(folder).url.get_secret_value():
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ANALYZE")


def _steps(connection: sa.Connection, reading: Reading) -> int:
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(count, 1)
    try:
        reading(connection)
    finally:
        driver.set_progress_handler(None, 1)
    return counted


def _explained(connection: sa.Connection, reading: Reading, how: str) -> list[dict[str, Any]]:
    with _statements(connection) as statements:
        reading(connection)
    return [connection.exec_driver_sql(f"EXPLAIN ({how}) {text}", given).scalar_one()[0] for text, given in statements]


@contextmanager
def _statements(connection: sa.Connection) -> Iterator[list[tuple[str, Any]]]:
    """Note the statements of a block with their parameters."""
    noted: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        noted.append((statement, parameters))

    sa.event.listen(connection, "before_cursor_execute", note)
    try:
        yield noted
    finally:
        sa.event.remove(connection, "before_cursor_execute", note)


def _rows_scanned(plan: dict[str, Any]) -> int:
    own = 0
    if plan["Node Type"].endswith("Scan"):
        removed = sum(value for name, value in plan.items() if name.startswith("Rows Removed"))
        own = round((plan["Actual Rows"] + removed) * plan["Actual Loops"])
    return own + sum(_rows_scanned(part) for part in plan.get("Plans", ()))
