"""The commit train on PostgreSQL beside the server's own limit: pgbench with the same state row and journal row."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from tests.servers import postgres
from tests.servers.databases import database_of, put_on_postgres

from bench.report import Figure
from bench.train import PAYLOAD, SECONDS, train_rate

_TABLES = """
CREATE TABLE raw_state (name TEXT PRIMARY KEY, total BIGINT, note TEXT);
CREATE TABLE raw_journal (position BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream TEXT, payload BYTEA);
CREATE SEQUENCE raw_names
"""
_SCRIPT = f"""
BEGIN;
INSERT INTO raw_state SELECT 't' || nextval('raw_names'), 1, 'note';
INSERT INTO raw_journal (stream, payload) VALUES ('t', '\\x{PAYLOAD.hex()}');
COMMIT;
"""


def raw_tables(url: str) -> None:
    """Make the two tables that the raw figures write."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_TABLES)


def raw_rate(url: str) -> float:
    """Return transactions per second of the driver on one connection: BEGIN, two inserts, COMMIT."""
    with psycopg.connect(url, autocommit=True) as connection:
        until, count = time.perf_counter() + SECONDS, 0
        while time.perf_counter() < until:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO raw_state VALUES (%s, %s, %s)", (f"r{count}", count, "note"))
            connection.execute("INSERT INTO raw_journal (stream, payload) VALUES (%s, %s)", (f"t{count}", PAYLOAD))
            connection.execute("COMMIT")
            count += 1
    return count / SECONDS


def pgbench_rate(url: str, clients: int, folder: Path) -> float:
    """Return transactions per second that the server reaches with `clients` connections."""
    script = folder / "entry.sql"
    script.write_text(_SCRIPT)
    programs = postgres.binaries()
    assert programs is not None
    shape = ["-n", "-c", str(clients), "-j", "2", "-T", str(int(SECONDS)), "-M", "prepared", "-f", str(script)]
    done = subprocess.run([str(programs / "pgbench"), *shape, url], capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("tps"))
    return float(line.split()[2])


def run() -> list[Figure]:
    """Measure and return the figures, each beside the raw rate at as many clients."""
    with tempfile.TemporaryDirectory() as name, postgres.running(durable=True) as server:
        folder = Path(name)
        put_on_postgres(folder, server.url, "liangfa_bench")
        url = database_of(folder).url.get_secret_value()
        raw_tables(url)
        figures = []
        for callers in (1, 16, 64):
            raw = raw_rate(url) if callers == 1 else pgbench_rate(url, callers, folder)
            beside = "raw driver, 1 connection" if callers == 1 else f"pgbench, {callers} connections"
            rate = asyncio.run(train_rate(folder, callers))
            figures.append(Figure(f"commit train on PostgreSQL, {callers} callers", rate, "commands/s", raw, beside))
        return figures
