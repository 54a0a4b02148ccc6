"""Row-level security: PostgreSQL's own check of what a reader may see, behind the authority table (ADR 0009).

A session says for whom it reads in two settings of its own. It guards against a query that forgets its condition, not
against somebody who holds the service's password: whoever can log in can also change the settings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

SCOPE = "liangfa.scope"
WITHIN = "liangfa.within"
_SERVICE, _AGENCY, _REGION, _NOBODY = "service", "agency", "region", "nobody"


@dataclass(frozen=True, slots=True)
class VisibleRows:
    """The rows of fenced tables that a transaction may see. Made by the functions below."""

    scope: str
    within: str = ""


ALL_ROWS = VisibleRows(_SERVICE)
"""For the service's own work: the writer, relay, consumers, migrations."""
NO_ROWS = VisibleRows(_NOBODY)


def rows_of_agency(agency_id: str) -> VisibleRows:
    """Return the rows of an agency, none for an empty id."""
    return VisibleRows(_AGENCY, agency_id) if agency_id else NO_ROWS


def rows_in_region(prefix: str) -> VisibleRows:
    """Return the rows whose division code begins with `prefix`; the empty prefix is the whole country."""
    return VisibleRows(_REGION, prefix)


Visibility = Callable[[], VisibleRows]
"""Tells, in the task that asks for a reading, what it may see."""


def narrow(connection: sa.Connection, rows: VisibleRows) -> None:
    """Let the transaction that begins on `connection` see `rows` alone."""
    connection.execute(
        sa.select(sa.func.set_config(SCOPE, rows.scope, True), sa.func.set_config(WITHIN, rows.within, True))
    )


_SETTING = "(SELECT current_setting('{}', true))"
"""In a query of its own, so that it is read once a statement and not once a row."""
_VALUE = _SETTING.format(WITHIN)
_WRITES = ("INSERT", "UPDATE", "DELETE")


def fence_owned(connection: sa.Connection, table: str, agency: str, region: str) -> None:
    """Fence a table whose columns `agency` and `region` say whose a row is. For migrations; nothing on SQLite."""
    own = f"{agency} = {_VALUE}"
    _fence(connection, table, _by_scope(own, f"starts_with({region}, {_VALUE})"), _by_scope(own, "false"))


def fence_by_parent(connection: sa.Connection, table: str, column: str, parent: str, agency: str) -> None:
    """Fence a table whose `column` is the key of a row of `parent`, which is fenced: who sees that one sees this.

    Written is what belongs to a parent of the writer's `agency`. For migrations; nothing on SQLite.
    """
    of_parent = f"SELECT 1 FROM {parent} AS parent WHERE parent.id = {table}.{column}"
    seen, own = f"EXISTS ({of_parent})", f"EXISTS ({of_parent} AND parent.{agency} = {_VALUE})"
    _fence(connection, table, _by_scope(seen, seen), _by_scope(own, "false"))


def unfence(connection: sa.Connection, table: str) -> None:
    """Take a table's fence away (for migrations)."""
    if connection.dialect.name != "postgresql":
        return
    for name in ("select", *map(str.lower, _WRITES)):
        connection.exec_driver_sql(f"DROP POLICY IF EXISTS fence_{name} ON {table}")
    connection.exec_driver_sql(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")


def _by_scope(agency: str, region: str) -> str:
    """Return the condition of a policy. Not with OR: the planner then takes few rows to be visible, and sorts them all."""
    return (
        f"CASE {_SETTING.format(SCOPE)} WHEN '{_SERVICE}' THEN true "
        f"WHEN '{_AGENCY}' THEN {agency} WHEN '{_REGION}' THEN {region} ELSE false END"
    )


def _fence(connection: sa.Connection, table: str, seen: str, own: str) -> None:
    """Let readers see what `seen` says and writers write what is their `own`; the service's own work may do both."""
    if connection.dialect.name != "postgresql":
        return
    unfence(connection, table)
    connection.exec_driver_sql(f"CREATE POLICY fence_select ON {table} FOR SELECT USING ({seen})")
    for write in _WRITES:
        condition = f"WITH CHECK ({own})" if write == "INSERT" else f"USING ({own})"
        connection.exec_driver_sql(f"CREATE POLICY fence_{write.lower()} ON {table} FOR {write} {condition}")
    connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    # The owner too: often it is the service's own role.
    connection.exec_driver_sql(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
