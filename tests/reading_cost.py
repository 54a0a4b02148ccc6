"""What a reading costs the database, counted and not timed: the same on a busy machine and on an idle one."""

from __future__ import annotations

from collections.abc import Callable
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
    return sum(_rows_scanned(one["Plan"]) for one in _explained(connection, reading))


def plans(connection: sa.Connection, reading: Reading) -> list[str]:
    """Return the plan of each statement of `reading` in the database's own words."""
    how = "QUERY PLAN" if connection.dialect.name == "sqlite" else "(COSTS OFF)"
    found = [
        connection.exec_driver_sql(f"EXPLAIN {how} {text}", given).all()
        for text, given in statements(connection, reading)
    ]
    return ["; ".join(row[-1].strip() for row in rows) for rows in found]


def statements(connection: sa.Connection, reading: Reading) -> list[tuple[str, Any]]:
    """Return the statements of `reading` with their parameters, as the driver takes them."""
    noted: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        noted.append((statement, parameters))

    sa.event.listen(connection, "before_cursor_execute", note)
    try:
        reading(connection)
    finally:
        sa.event.remove(connection, "before_cursor_execute", note)
    return noted


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


def _explained(connection: sa.Connection, reading: Reading) -> list[dict[str, Any]]:
    how = "ANALYZE, FORMAT JSON"
    return [
        connection.exec_driver_sql(f"EXPLAIN ({how}) {text}", given).scalar_one()[0]
        for text, given in statements(connection, reading)
    ]


def _rows_scanned(plan: dict[str, Any]) -> int:
    own = 0
    if plan["Node Type"].endswith("Scan"):
        removed = sum(value for name, value in plan.items() if name.startswith("Rows Removed"))
        own = round((plan["Actual Rows"] + removed) * plan["Actual Loops"])
    return own + sum(_rows_scanned(part) for part in plan.get("Plans", ()))
