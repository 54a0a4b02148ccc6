"""Bringing a service's database to the schema of this release: one Alembic history for every dialect."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.pool import NullPool

from liangfa_kit.store.port import SearchIndex
from liangfa_kit.store.postgres_schema import create_postgres_search_index

_ENVIRONMENT = Path(__file__).parent / "alembic"


def migrate(url: str, versions: Path, revision: str = "head") -> None:
    """Run the migrations in the folder `versions` on the database `url` up to `revision`. Repeating is harmless.

    Several processes may start at once: on SQLite the second waits for the first one's lock.
    """
    engine = sa.create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA busy_timeout=30000")
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            upgrade(connection, versions, revision)
    finally:
        engine.dispose()


def upgrade(connection: sa.Connection, versions: Path, revision: str = "head") -> None:
    """Run the migrations in the folder `versions` on `connection`, a transaction each."""
    config = Config()
    config.set_main_option("script_location", str(_ENVIRONMENT).replace("%", "%%"))
    config.set_main_option("version_locations", str(versions).replace("%", "%%"))  # % is syntax to Alembic
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    connection.commit()


def sqlite_url(path: Path) -> str:
    """Return the database URL of a SQLite file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return f"sqlite+pysqlite:///{path}"


def create_search_index(connection: sa.Connection, index: SearchIndex) -> None:
    """Create a full-text index (for migrations). On SQLite: a contentless FTS5 table with positions, for phrases.

    FTS5 knows documents by number only; `<index>_keys` gives each key its number. A number made out of a key would
    collide one day: ids made in two processes within one millisecond share their time-ordered bits.
    """
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            f"CREATE TABLE IF NOT EXISTS {index.name}_keys (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE)"
        )
        connection.exec_driver_sql(
            f"CREATE VIRTUAL TABLE IF NOT EXISTS {index.name} USING fts5("
            "terms, content='', columnsize=0, tokenize='unicode61 remove_diacritics 0')"
        )
        return
    create_postgres_search_index(connection, index.name)


def drop_search_index(connection: sa.Connection, index: SearchIndex) -> None:
    """Drop a full-text index (for migrations)."""
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {index.name}_keys")
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {index.name}")
