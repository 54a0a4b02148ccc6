"""Opening a service's database where the settings say it is. The one place that chooses between the implementations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from liangfa_kit.errors import Invalid
from liangfa_kit.settings import Database
from liangfa_kit.store.fence import Visibility
from liangfa_kit.store.migrate import migrate, sqlite_url
from liangfa_kit.store.place import PostgresPlace
from liangfa_kit.store.port import Store
from liangfa_kit.store.postgres import PostgresStore
from liangfa_kit.store.postgres_schema import grant_to_service, has_schema, migrate_postgres
from liangfa_kit.store.sqlite import SqliteStore


def open_store(
    database: Database, service: str, path: Path, migrations: Path, visibility: Visibility | None = None
) -> Store:
    """Return the database of `service`, migrated to this release: the file `path`, or its schema on PostgreSQL.

    There `visibility` limits what readings see of fenced tables.
    """
    if owner := _owner_place(database, service):
        migrate_postgres(owner, migrations)
        grant_to_service(owner, str(_parameters(database.url, service).get("user") or ""))
    elif place := postgres_place(database, service):
        migrate_postgres(place, migrations)
    else:
        migrate(sqlite_url(path), migrations)
    return existing_store(database, service, path, visibility)


def existing_store(database: Database, service: str, path: Path, visibility: Visibility | None = None) -> Store:
    """Return the database of `service` as it is."""
    if place := postgres_place(database, service):
        return PostgresStore(place, visibility)
    return SqliteStore(path, reader_count=database.reader_count, busy_seconds=database.lock_seconds)


def has_store(database: Database, service: str, path: Path) -> bool:
    """Return whether `service` has a database already."""
    place = postgres_place(database, service)
    return has_schema(place) if place else path.exists()


def postgres_place(database: Database, service: str) -> PostgresPlace | None:
    """Return where `service` is on PostgreSQL, None when the platform keeps to SQLite."""
    if not _url(database.url, service):
        return None
    parameters = _parameters(database.url, service)
    if database.password_file:
        parameters["password"] = _password(database.password_file, service)
    return PostgresPlace(
        make_conninfo("", **parameters),
        service,
        database.reader_count,
        database.statement_seconds,
        database.lock_seconds,
        database.silence_seconds,
    )


def _owner_place(database: Database, service: str) -> PostgresPlace | None:
    if not _url(database.owner_url, service) or not _url(database.url, service):
        return None
    parameters = _parameters(database.owner_url, service, "OWNER_URL")
    if database.owner_password_file:
        parameters["password"] = _password(database.owner_password_file, service)
    return PostgresPlace(make_conninfo("", **parameters), service)


def _url(url: SecretStr, service: str) -> str:
    return url.get_secret_value().replace("{service}", service)


def _parameters(url: SecretStr, service: str, variable: str = "URL") -> dict[str, Any]:
    try:
        return conninfo_to_dict(_url(url, service))
    except psycopg.ProgrammingError:
        pass  # not chained: the driver repeats a part of the URL, which may be its password
    raise Invalid(
        f"LIANGFA_DATABASE__{variable} is not a URL that PostgreSQL's client understands.",
        message_zh="数据库连接地址有误。",
        remedy="Write postgresql://role@host:5432/database, with %25 for a percent sign and %40 for an @ in a password; "
        "better, name the password's file.",
        reason="SETTINGS_INVALID",
    )


def _password(file: Path, service: str) -> str:
    path = Path(str(file).replace("{service}", service))
    try:
        return path.read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise Invalid(
            f"The database password cannot be read from {path}.",
            message_zh="无法读取数据库密码文件。",
            remedy="Correct LIANGFA_DATABASE__PASSWORD_FILE or …__OWNER_PASSWORD_FILE, or the file's permissions.",
            reason="SETTINGS_INVALID",
            path=path,
        ) from error
