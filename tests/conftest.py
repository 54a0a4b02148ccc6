"""What every test may ask for: real servers, one for the whole run, and both kinds of database."""

from __future__ import annotations

from tests.servers.fixtures import (  # noqa: F401 - pytest finds fixtures and hooks by their names here
    either_database,
    every_database,
    on_postgres,
    postgres_server,
    pytest_sessionfinish,
    pytest_terminal_summary,
)
