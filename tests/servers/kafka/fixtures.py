"""The fixtures of Kafka: one broker for all workers of the run, started by the first test that needs it."""

from __future__ import annotations

import gc
import json
import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.servers.fixtures import alone, shared_folder
from tests.servers.kafka.brokers import fresh, put_on_kafka
from tests.servers.kafka.cluster import cluster, existing

_NOTE = "kafka-server.json"
_SKIPPED = "KAFKA TESTS SKIPPED"


@pytest.fixture(scope="session")
def kafka_servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """`host:port` of a running broker. Skips the test where there is none to start (fails it under CI)."""
    if given := existing():
        return given
    folder = shared_folder(request.config, tmp_path_factory)
    with alone(folder / "kafka.lock"):
        note = folder / _NOTE
        if not note.exists():
            one = cluster(folder / "kafka")
            one.start()
            process = one.nodes[0].process
            assert process is not None
            note.write_text(json.dumps({"servers": one.servers, "pid": process.pid}))
        return str(json.loads(note.read_text())["servers"])


@pytest.fixture
def kafka_sockets_swept() -> Iterator[None]:
    """kafka-python leaves the sockets of refused connections to the garbage collector: not to another test's."""
    yield
    sweep()


def sweep() -> None:
    """Collect garbage without a word about sockets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        for _ in range(3):
            gc.collect()


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure() -> None:
    """Sweep what the last test's report still held."""
    sweep()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the broker of this run when its last worker has ended."""
    if hasattr(session.config, "workerinput"):
        return
    factory = getattr(session.config, "_tmp_path_factory", None)
    note = factory.getbasetemp() / _NOTE if factory else None
    if note is not None and note.exists():
        with suppress(ProcessLookupError):
            os.kill(json.loads(note.read_text())["pid"], signal.SIGKILL)


@pytest.fixture(params=["local", "kafka"])
def either_broker(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Run the test on the local log and on Kafka: what is opened under `tmp_path` is there."""
    if request.param == "kafka":
        put_on_kafka(tmp_path, fresh(request.getfixturevalue("kafka_servers")))
    return str(request.param)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say once, loudly, what was left out for want of a broker."""
    skipped = [str(r.longrepr) for r in terminalreporter.stats.get("skipped", ()) if _SKIPPED in str(r.longrepr)]
    if skipped:
        cause = skipped[0][skipped[0].index(_SKIPPED) :].strip("')")
        terminalreporter.write_line(f"{len(skipped)} {cause}", red=True, bold=True)
