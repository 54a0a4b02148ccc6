"""The platform on PostgreSQL as an operator runs it: one process a service, one setting, nothing kept in files but files."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.servers.databases import database_of, environment_of

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("on_postgres")]
LIANGFA = Path(sys.executable).parent / "liangfa"
TABLE = Path(__file__).parents[1] / "data" / "penalty_disclosures" / "export_2016_gb18030.csv"


def liangfa(folder: Path, *arguments: str) -> str:
    command = [str(LIANGFA), *arguments, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False, env=environment_of(folder))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@contextmanager
def serving(folder: Path, service: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Serve one service in a process of its own; yields it and its address."""
    command = [str(LIANGFA), "serve", service, "--folder", str(folder)]
    log = folder / f"{service}.log"
    with log.open("a") as errors:
        started = log.stat().st_size
        process = subprocess.Popen(command, stderr=errors, text=True, env=environment_of(folder))
    try:
        yield process, address_in(log, started, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)


def address_in(log: Path, start: int, process: subprocess.Popen[str]) -> str:
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"on (127\.0\.0\.1:\d+)", log.read_text()[start:]):
            return found[1]
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-2000:])


def counted(folder: Path, query: str) -> int:
    with psycopg.connect(database_of(folder).url.get_secret_value()) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])


def test_two_services_share_a_database_and_survive_a_hard_kill(tmp_path: Path) -> None:
    """A table goes in, supervision follows, a killed service goes on where it was, and every chain verifies."""
    with serving(tmp_path, "supervision"):
        with serving(tmp_path, "enforcement_record") as (process, address):
            liangfa(tmp_path, "import", str(TABLE), "--agency", "market-hongshan", "--address", address)
            process.kill()
            process.wait()
        entered = counted(tmp_path, "SELECT count(*) FROM enforcement_record.cases")
        assert entered == 60
        with serving(tmp_path, "enforcement_record") as (_, address):
            again = liangfa(tmp_path, "import", str(TABLE), "--agency", "market-hongshan", "--address", address)
            assert counted(tmp_path, "SELECT count(*) FROM enforcement_record.cases") == entered, again
            until = time.monotonic() + 120
            while counted(tmp_path, "SELECT count(*) FROM supervision.case_counts") < entered:
                assert time.monotonic() < until, "supervision does not follow"
                time.sleep(0.1)
    assert "intact" in liangfa(tmp_path, "verify")
    assert "rebuilt" in liangfa(tmp_path, "events", "rebuild")
    assert counted(tmp_path, "SELECT count(*) FROM supervision.case_counts") == entered
    assert [found.name for found in tmp_path.rglob("*.sqlite3")] == ["events.sqlite3"]
