"""Where a benchmark that fills a database does so: SQLite, and PostgreSQL where a server is named."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.servers.databases import drop_databases, put_on_postgres

from liangfa_kit.settings import PlatformSettings

_PREFIX = "liangfa_bench"


def databases() -> Iterator[tuple[str, Path]]:
    """Yield the name of a database system and an empty folder whose databases are there; both are removed afterwards.

    PostgreSQL is the server of LIANGFA_DATABASE__URL, whose user must be allowed to make databases.
    """
    with tempfile.TemporaryDirectory() as name:
        yield "SQLite", Path(name)
    url = PlatformSettings().database.url.get_secret_value()
    if not url:
        print("  (PostgreSQL too, when LIANGFA_DATABASE__URL names a server)")
        return
    with tempfile.TemporaryDirectory() as name:
        put_on_postgres(Path(name), url, _PREFIX)
        try:
            yield "PostgreSQL", Path(name)
        finally:
            drop_databases(url, _PREFIX)
