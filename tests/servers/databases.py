"""Databases for tests, and the settings that lead a service to them.

A test whose folder holds a note is on PostgreSQL, one without is on SQLite. So builders that are given a folder open
either, in the processes that a test starts too. Making a database takes longer than most tests: each worker has a few
and empties one when it is claimed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from liangfa_kit.settings import Database

_NOTE = "postgres.json"
_CLAIM = "postgres-database.txt"


def put_on_postgres(folder: Path, server_url: str, prefix: str) -> None:
    """Let everything under `folder` keep its rows on the server, in databases whose names begin with `prefix`."""
    (folder / _NOTE).write_text(json.dumps({"url": server_url, "prefix": prefix}))


def database_of(folder: Path) -> Database:
    """Return the settings of the database of a platform in `folder`: the same at every call, empty at the first."""
    root = next((place for place in (folder, *folder.parents) if (place / _NOTE).exists()), None)
    if root is None:
        return Database()
    note = json.loads((root / _NOTE).read_text())
    claim = folder / _CLAIM
    if not claim.exists():
        name = f"{note['prefix']}_{len(list(root.rglob(_CLAIM)))}"
        _emptied(note["url"], name)
        folder.mkdir(parents=True, exist_ok=True)
        claim.write_text(name)
    return Database(url=SecretStr(database_url(note["url"], claim.read_text())))


def environment_of(folder: Path) -> dict[str, str]:
    """Return the environment of a process whose platform is in `folder`."""
    return os.environ | {"LIANGFA_DATABASE__URL": database_of(folder).url.get_secret_value(), "COLUMNS": "200"}


def drop_databases(server_url: str, prefix: str) -> None:
    """Drop every database whose name begins with `prefix`, whoever uses it."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        query = "SELECT datname FROM pg_database WHERE starts_with(datname, %s)"
        for (name,) in connection.execute(query, (prefix,)).fetchall():
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def database_url(server_url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    given = conninfo_to_dict(server_url)
    password = f":{given['password']}" if "password" in given else ""
    return f"postgresql://{given.get('user', '')}{password}@{given['host']}:{given.get('port', 5432)}/{name}"


def _emptied(server_url: str, name: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
            connection.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'")
    with psycopg.connect(database_url(server_url, name), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        schemas = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')"
        for (schema,) in connection.execute(schemas).fetchall():
            connection.execute(f'DROP SCHEMA "{schema}" CASCADE')
