"""The fixtures of servers. A server is started by the first test that needs it and shared by all workers of the run."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.servers import postgres
from tests.servers.databases import drop_databases, put_on_postgres

_NOTE = "postgres-server.json"


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a running server, as a superuser. Skips the test where there is none (fails it under CI)."""
    folder = shared_folder(request.config, tmp_path_factory)
    with alone(folder / "servers.lock"):
        note = folder / _NOTE
        if not note.exists():
            server = postgres.start()
            postgres.end_with(server, os.getppid() if hasattr(request.config, "workerinput") else os.getpid())
            note.write_text(json.dumps(asdict(server), default=str))
        return str(json.loads(note.read_text())["url"])


@pytest.fixture(params=["sqlite", "postgres"])
def either_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Run the test on SQLite and on PostgreSQL: what is opened under `tmp_path` is there."""
    if request.param == "postgres":
        request.getfixturevalue("on_postgres")
    return str(request.param)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def every_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Like `either_database`, for suites of whole services: on PostgreSQL in `make test`, not in `make quick`."""
    if request.param == "postgres":
        request.getfixturevalue("on_postgres")
    return str(request.param)


@pytest.fixture
def on_postgres(
    request: pytest.FixtureRequest, postgres_server: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Run the test on PostgreSQL alone."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "main")
    run = _run_prefix(shared_folder(request.config, tmp_path_factory))
    put_on_postgres(tmp_path, postgres_server, f"{run}_{worker}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the servers of this run when its last worker has ended."""
    if hasattr(session.config, "workerinput"):
        return
    factory = getattr(session.config, "_tmp_path_factory", None)
    note = factory.getbasetemp() / _NOTE if factory else None
    if note is not None and note.exists():
        given = json.loads(note.read_text())
        if not given["pid"]:
            drop_databases(given["url"], _run_prefix(note.parent))
        postgres.PostgresServer(given["url"], given["pid"], Path(given["folder"]), given["durable"]).stop()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say once, loudly, what was left out for want of a server."""
    skipped = terminalreporter.stats.get("skipped", ())
    count = sum(postgres.MISSING in str(report.longrepr) for report in skipped)
    if count:
        terminalreporter.write_line(f"{count} TESTS WERE LEFT OUT. {postgres.MISSING}", red=True, bold=True)


def _run_prefix(shared: Path) -> str:
    """Return what the names of this run's databases begin with: two runs may share a server."""
    return f"liangfa_test_{hashlib.sha256(str(shared).encode()).hexdigest()[:8]}"


def shared_folder(config: pytest.Config, factory: pytest.TempPathFactory) -> Path:
    """Return the folder that all workers of this run see."""
    folder = factory.getbasetemp()
    return folder.parent if hasattr(config, "workerinput") else folder


@contextmanager
def alone(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
