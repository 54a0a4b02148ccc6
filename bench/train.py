"""The commit train against the raw driver: the same state row and journal row, durable, at 1, 16 and 64 callers."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import time
from pathlib import Path

from tests.tally import tally_service

from bench.report import Figure
from liangfa_kit.clock import SystemClock

SECONDS = 3.0
PAYLOAD = os.urandom(300)


def raw_rate(folder: Path) -> float:
    """Return transactions per second of the driver alone: BEGIN, two inserts, COMMIT, synchronous=FULL."""
    connection = sqlite3.connect(folder / "raw.sqlite3", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE state (name TEXT PRIMARY KEY, total INTEGER, note TEXT)")
    connection.execute("CREATE TABLE journal (position INTEGER PRIMARY KEY, stream TEXT, payload BLOB)")
    until, count = time.perf_counter() + SECONDS, 0
    while time.perf_counter() < until:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO state VALUES (?, ?, ?)", (f"t{count}", count, "note"))
        connection.execute("INSERT INTO journal VALUES (?, ?, ?)", (count, f"t{count}", PAYLOAD))
        connection.execute("COMMIT")
        count += 1
    connection.close()
    return count / SECONDS


async def train_rate(folder: Path, callers: int) -> float:
    """Return acknowledged commands per second through the train, each a new entity with its own request id."""
    count = 0
    async with tally_service(folder / f"c{callers}", SystemClock()) as tally:
        until = time.perf_counter() + SECONDS

        async def caller(number: int) -> None:
            nonlocal count
            mine = 0
            while time.perf_counter() < until:
                await tally.raise_(f"{number}-{mine}", request_id=f"{number}-{mine}")
                mine += 1
            count += mine

        await asyncio.gather(*(caller(n) for n in range(callers)))
    return count / SECONDS


def run() -> list[Figure]:
    """Measure and return the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = raw_rate(folder)
        figures = []
        for callers in (1, 16, 64):
            rate = asyncio.run(train_rate(folder, callers))
            figures.append(Figure(f"commit train, {callers} callers", rate, "commands/s", raw, "raw driver, 1 thread"))
        return figures
