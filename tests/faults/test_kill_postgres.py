"""`kill -9` of PostgreSQL under load: what was acknowledged is there once, and the service recovers by itself."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from liangfa_kit.clock import SystemClock
from liangfa_kit.errors import Unavailable
from liangfa_kit.verify import journal_faults
from tests.faults.figures import Outcome, Record
from tests.servers import postgres
from tests.servers.databases import put_on_postgres
from tests.tally import KIT, Tally, kept_up, model_service, seen, tallies, tally_broker, tally_service

KILLS = 8
CLIENTS = 16
pytestmark = [pytest.mark.fault, pytest.mark.slow]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[postgres.PostgresServer]:
    """A server of this test alone, durable as in earnest."""
    with postgres.running(durable=True) as server:
        if not server.pid:
            pytest.skip("LIANGFA_TEST_POSTGRES names a server that is not ours to kill")
        put_on_postgres(tmp_path, server.url, "liangfa_kill")
        yield server


@dataclass
class Told:
    """What clients were told, and how long they went without an answer."""

    replies: dict[str, int] = field(default_factory=dict)
    refusals: int = 0
    last_at: float = field(default_factory=time.monotonic)
    longest_wait: float = 0.0

    def answered(self, request_id: str, reply: int) -> None:
        now = time.monotonic()
        self.longest_wait, self.last_at = max(self.longest_wait, now - self.last_at), now
        self.replies[request_id] = reply


async def client(tally: Tally, number: int, told: Told, ended: asyncio.Event) -> None:
    """Send one command after the other, each again with its own id until it is answered."""
    sent = 0
    while not ended.is_set():
        request_id = f"c{number}-{sent}"
        try:
            told.answered(request_id, await tally.raise_(f"t{number % 5}", 1, request_id=request_id))
        except Unavailable:
            told.refusals += 1
            await asyncio.sleep(0.05)
        else:
            sent += 1


async def storm(folder: Path, server: postgres.PostgresServer) -> Told:
    """Kill the server `KILLS` times while clients, relay and consumer work; then let the clients finish."""
    chance, told, ended = random.Random(20261123), Told(), asyncio.Event()
    broker = tally_broker(folder)
    async with tally_service(folder, SystemClock()) as tally, model_service(folder, broker) as (_, consumer):
        background = [asyncio.create_task(kept_up(work, [])) for work in (tally.relay(broker).run, consumer.run)]
        clients = [asyncio.create_task(client(tally, number, told, ended)) for number in range(CLIENTS)]
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0.3, 1.0))
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(chance.uniform(0.0, 0.5))
            await asyncio.to_thread(server.restart)
        before = len(told.replies)
        async with asyncio.timeout(120):
            while len(told.replies) < before + 100:
                await asyncio.sleep(0.05)
        ended.set()
        await asyncio.gather(*clients)
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
    await broker.close()
    return told


async def aftermath(folder: Path, told: Told) -> Outcome:
    """Compare what clients were told with journal, rows and read model."""
    broker = tally_broker(folder)
    async with tally_service(folder) as tally, model_service(folder, broker) as (model, consumer):
        await tally.relay(broker).drain()
        await consumer.drain()
        assert list(journal_faults(tally.store, KIT)) == []
        assert await consumer.set_aside() == []
        journal = await tally.rows(KIT.journal)
        requests = [entry["request_id"] for entry in journal]
        assert set(requests) <= told.replies.keys(), "something is journalled that nobody was told of"
        truth = {row["name"]: row["total"] for row in await tally.rows(tallies)}
        assert sum(truth.values()) == len(journal)
        applied = {row["name"].removeprefix("tally/"): row["total"] for row in await model.rows(seen)}
        assert applied == truth
    await broker.close()
    lost, doubled = len(told.replies.keys() - set(requests)), len(requests) - len(set(requests))
    return Outcome("kill -9 of PostgreSQL under load", KILLS, len(told.replies), lost, doubled, 0, told.longest_wait)


@pytest.mark.timeout(400)
def test_hard_kills_of_the_database_lose_nothing_and_double_nothing(
    tmp_path: Path, server: postgres.PostgresServer, record_property: Record
) -> None:
    """Clients, journal, rows and read model agree after every kill; nobody waits long for the recovery."""
    told = asyncio.run(storm(tmp_path, server))
    asyncio.run(aftermath(tmp_path, told)).tell(record_property)
    assert told.refusals > 0, "no kill was noticed"
    assert told.longest_wait < 60
