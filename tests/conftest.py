"""What every test may ask for: real servers, one for the whole run, and both kinds of database and of event log."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests.servers.bucket import fixtures as bucket_fixtures
from tests.servers.fixtures import (  # noqa: F401 - pytest finds fixtures and hooks by their names here
    either_database,
    every_database,
    on_postgres,
    postgres_server,
    pytest_sessionfinish,
    pytest_terminal_summary,
)
from tests.servers.kafka import fixtures as kafka_fixtures

settings.register_profile("same", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("fuzz", max_examples=2_000, deadline=None, print_blob=True)
settings.load_profile("same")
"""A change fails the tests, not luck: the same examples every time. `make fuzz` looks for new ones."""


def pytest_configure(config: pytest.Config) -> None:
    """Bring in the fixtures of Kafka and of the object store, with their own words about what was left out."""
    config.pluginmanager.register(kafka_fixtures, "liangfa-kafka")
    config.pluginmanager.register(bucket_fixtures, "liangfa-bucket")
