"""The fixtures of the object store: one server for all workers of the run, started by the first test that needs it."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict
from typing import Any

import pytest

from liangfa_kit.settings import Objects
from tests.servers.bucket.server import BucketServer, objects, start
from tests.servers.fixtures import alone, shared_folder

_NOTE = "bucket-server.json"
_SKIPPED = "OBJECT STORE TESTS SKIPPED"


@pytest.fixture(scope="session")
def bucket_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> BucketServer:
    """A running server. Skips the test where there is none to start (fails it under CI)."""
    folder = shared_folder(request.config, tmp_path_factory)
    with alone(folder / "bucket.lock"):
        note = folder / _NOTE
        if not note.exists():
            note.write_text(json.dumps(asdict(start(folder / "bucket"))))
        return BucketServer(**json.loads(note.read_text()))


@pytest.fixture
def bucket(bucket_server: BucketServer) -> Objects:
    """Settings of a part of the bucket that no other test sees."""
    return objects(bucket_server.address, f"{uuid.uuid4().hex}/")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the server of this run when its last worker has ended."""
    if hasattr(session.config, "workerinput"):
        return
    factory = getattr(session.config, "_tmp_path_factory", None)
    note = factory.getbasetemp() / _NOTE if factory else None
    if note is not None and note.exists():
        BucketServer(**json.loads(note.read_text())).stop()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say once, loudly, what was left out for want of a server."""
    skipped = [str(r.longrepr) for r in terminalreporter.stats.get("skipped", ()) if _SKIPPED in str(r.longrepr)]
    if skipped:
        cause = skipped[0][skipped[0].index(_SKIPPED) :].strip("')")
        terminalreporter.write_line(f"{len(skipped)} {cause}", red=True, bold=True)
