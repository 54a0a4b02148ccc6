"""Bringing a service's PostgreSQL schema to this release, while processes of the release before go on working."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
import structlog
from psycopg import errors, sql
from sqlalchemy.pool import StaticPool

from liangfa_kit.errors import Invalid, Precondition
from liangfa_kit.store.place import PostgresPlace
from liangfa_kit.store.postgres_errors import translated

_log = structlog.get_logger("liangfa.store")
_LOCK_SECONDS = 3.0
"""How long a change of the schema waits for a table: whoever comes after it waits as long, so it gives way."""
_PENDING_KIB = 1024
"""New documents wait in a list that every search reads: 1 MiB costs a search some milliseconds, the usual 4 up to 150."""
_ATTEMPTS = 20
_PAUSE_SECONDS = 0.5


def migrate_postgres(place: PostgresPlace, versions: Path, revision: str = "head") -> None:
    """Run the migrations in the folder `versions` on the schema at `place`, making it. Repeating is harmless.

    Processes that start at once take turns. Raises `Precondition` for a database whose order of text is not by code
    points (pages and ranges of keys rely on it), `Unavailable` when a table stays in use too long.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _migrate_once(place, versions, revision)
        except (errors.LockNotAvailable, sa.exc.OperationalError, psycopg.OperationalError) as error:
            cause = error.orig if isinstance(error, sa.exc.OperationalError) else error
            if not isinstance(cause, errors.LockNotAvailable) or attempt == _ATTEMPTS:
                raise translated(cause) from error
            _log.warning("migration_waits", schema=place.schema, attempt=attempt)
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def has_schema(place: PostgresPlace) -> bool:
    """Return whether the schema at `place` is there. Raises `Unavailable` when nobody can tell."""
    try:
        with place.connect("migration") as connection:
            query = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
            return connection.execute(query, (place.schema,)).fetchone() is not None
    except psycopg.OperationalError as error:
        raise translated(error) from error


_KEPT = ("journal",)
"""Tables to which a service adds and in which it changes nothing."""


def grant_to_service(owner: PostgresPlace, role: str) -> None:
    """Let `role` do what the service needs in the owner's schema, and nothing else. Repeating is harmless."""
    if not role:
        raise Invalid(
            "With an owner's URL the service's own URL has to name its role.",
            message_zh="已配置属主连接时，服务连接必须写明数据库角色。",
            remedy="Write it into LIANGFA_DATABASE__URL: postgresql://ROLE@host/database.",
            reason="SETTINGS_INVALID",
        )
    schema, to = sql.Identifier(owner.schema), sql.Identifier(role)
    statements = [
        sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schema, to),
        sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA {} FROM {}").format(schema, to),
        sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {} TO {}").format(schema, to),
        *(sql.SQL("REVOKE UPDATE, DELETE ON {} FROM {}").format(sql.Identifier(owner.schema, t), to) for t in _KEPT),
        sql.SQL("REVOKE INSERT, UPDATE, DELETE ON {} FROM {}").format(
            sql.Identifier(owner.schema, "alembic_version"), to
        ),
    ]
    try:
        with owner.connect("migration") as connection:
            connection.execute("SET LOCAL lock_timeout = 0")
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_turn(owner.schema),))
            for statement in statements:
                connection.execute(statement)
    except psycopg.OperationalError as error:
        raise translated(error) from error


def _migrate_once(place: PostgresPlace, versions: Path, revision: str) -> None:
    from liangfa_kit.store.migrate import upgrade

    lock_timeout = f"{round(_LOCK_SECONDS * 1000)}"
    raw = place.connect("migration", lock_timeout=lock_timeout, statement_timeout="0")
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: raw, poolclass=StaticPool)
    try:
        with engine.connect() as connection:
            _take_turn(connection, place.schema)
            _check_order_of_text(connection)
            if not sa.inspect(connection).has_schema(place.schema):
                connection.exec_driver_sql(f'CREATE SCHEMA "{place.schema}"')
            connection.commit()
            upgrade(connection, versions, revision)
            add_arrivals(connection)
            connection.commit()
    finally:
        engine.dispose()
        raw.close()


def _take_turn(connection: sa.Connection, schema: str) -> None:
    """Hold the schema's migration lock as long as the connection lives, without a bound on the wait for others."""
    connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
    connection.execute(sa.select(sa.func.pg_advisory_lock(_turn(schema))))
    connection.commit()


def _turn(schema: str) -> int:
    return int.from_bytes(hashlib.sha256(f"liangfa migration {schema}".encode()).digest()[:8], "big", signed=True)


def _check_order_of_text(connection: sa.Connection) -> None:
    query = "SELECT datcollate, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
    collation, encoding = connection.exec_driver_sql(query).one()
    if encoding == "UTF8" and collation.upper().replace("-", "") in {"C", "POSIX", "C.UTF8"}:
        return
    raise Precondition(
        f"The database orders text by {collation} in {encoding}; it has to be by code points, in UTF8.",
        message_zh="数据库的排序规则或字符编码不符合要求。",
        remedy="Make one: CREATE DATABASE liangfa TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8' (or LOCALE 'C').",
        reason="DATABASE_COLLATION",
        collation=collation,
        encoding=encoding,
    )


def add_arrivals(connection: sa.Connection) -> None:
    """Number the rows of every new table as they arrive; SQLite does so by itself. Whole numbers as keys suffice."""
    inspector = sa.inspect(connection)
    for table in inspector.get_table_names():
        columns: dict[str, Any] = {column["name"]: column["type"] for column in inspector.get_columns(table)}
        keys = inspector.get_pk_constraint(table)["constrained_columns"]
        if "arrival" in columns or len(keys) != 1 or not isinstance(columns[keys[0]], sa.Text | sa.String):
            continue
        connection.exec_driver_sql(f'ALTER TABLE "{table}" ADD COLUMN arrival BIGINT GENERATED ALWAYS AS IDENTITY')


def indexed_terms(table: str) -> str:
    """Return the expression over which the documents in `table` are indexed; a query has to say the very same."""
    return f"array_to_tsvector(string_to_array({table}.terms, ' '))"


def create_postgres_search_index(connection: sa.Connection, table: str) -> None:
    """Create a full-text index: the terms in text order, and a GIN index over them."""
    connection.exec_driver_sql(
        f"CREATE TABLE IF NOT EXISTS {table} (key TEXT PRIMARY KEY, terms TEXT NOT NULL)",
    )
    connection.exec_driver_sql(
        f"CREATE INDEX IF NOT EXISTS {table}_terms ON {table} USING gin (({indexed_terms(table)})) "
        f"WITH (gin_pending_list_limit = {_PENDING_KIB})"
    )
