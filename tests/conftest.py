"""What every test may ask for: real servers, one for the whole run, and both kinds of database and of event log."""

from __future__ import annotations

import pytest

from tests.servers.fixtures import (  # noqa: F401 - pytest finds fixtures and hooks by their names here
    either_database,
    every_database,
    on_postgres,
    postgres_server,
    pytest_sessionfinish,
    pytest_terminal_summary,
)
from tests.servers.kafka import fixtures as kafka_fixtures


def pytest_configure(config: pytest.Config) -> None:
    """Bring in the fixtures of Kafka, with its own word about what was left out."""
    config.pluginmanager.register(kafka_fixtures, "liangfa-kafka")
