"""`kill -9` at random moments of command, relay and consumer: nothing lost, nothing doubled, order kept."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from liangfa_kit.verify import journal_faults
from tests.faults.figures import Outcome, Record
from tests.servers.databases import database_of
from tests.tally import KIT, model_service, seen, tallies, tally_broker, tally_service

KILLS = 60
pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.usefixtures("every_database")]
ROOT = Path(__file__).parents[2]


def run_and_kill(folder: Path, first: int, after_seconds: float) -> list[tuple[str, int]]:
    """Run the process, kill it hard `after_seconds` after its first answer; return what was acknowledged."""
    command = [sys.executable, "-m", "tests.faults.tally_process", str(folder), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        time.sleep(after_seconds)
        process.kill()
        lines += process.stdout.read().splitlines()
    return [(name, int(total)) for line in lines if len(parts := line.split()) == 2 for name, total in [parts]]


def acknowledged_over_many_kills(folder: Path) -> dict[str, int]:
    """Kill the process again and again; each new one repeats the last 16 requests, as an unsure client would."""
    chance = random.Random(20261123)
    known: dict[str, int] = {}
    first = 0
    for _ in range(KILLS):
        for name, total in run_and_kill(folder, first, chance.uniform(0.0, 0.12)):
            assert known.setdefault(name, total) == total, f"{name} was answered twice, differently"
        first = max(0, max(int(name[1:]) for name in known) - 16)
    return known


async def aftermath(folder: Path, known: dict[str, int]) -> Outcome:
    broker = tally_broker(folder)
    async with tally_service(folder) as tally, model_service(folder, broker) as (model, consumer):
        await tally.relay(broker).drain()
        await consumer.drain()
        assert list(journal_faults(tally.store, KIT)) == []
        assert await consumer.set_aside() == []
        journal = await tally.rows(KIT.journal)
        answered = {entry["request_id"] for entry in journal}
        truth = {row["name"]: row["total"] for row in await tally.rows(tallies)}
        assert sum(truth.values()) == len(journal)
        applied = {row["name"].removeprefix("tally/"): row for row in await model.rows(seen)}
        assert {name: row["total"] for name, row in applied.items()} == truth
        assert sum(row["events"] for row in applied.values()) == len(journal)
    await broker.close()
    database = "PostgreSQL" if database_of(folder).url.get_secret_value() else "SQLite"
    lost, doubled = len(known.keys() - answered), len(journal) - len(answered)
    return Outcome(f"kill -9 of a service with its relay and consumer ({database})", KILLS, len(known), lost, doubled)


@pytest.mark.timeout(600)
def test_sixty_hard_kills_lose_nothing_double_nothing_and_keep_the_order(
    tmp_path: Path, record_property: Record
) -> None:
    """Acknowledged commands, journal, chain, read model and stored replies agree after 60 kills at random moments."""
    known = acknowledged_over_many_kills(tmp_path)
    assert len(known) > KILLS
    asyncio.run(aftermath(tmp_path, known)).tell(record_property)
