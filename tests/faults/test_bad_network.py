"""A slow and lossy line to both servers, and one that swallows PostgreSQL's answers: what was acknowledged is there once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from liangfa_kit.clock import SystemClock
from liangfa_kit.errors import Unavailable
from liangfa_kit.messaging.consumer import Consumer
from tests.faults.figures import Record
from tests.faults.hosts import CUT, FAR, FINE, HERE, Network, network
from tests.faults.test_kill_postgres import CLIENTS, Told, aftermath, client
from tests.servers import postgres
from tests.servers.databases import put_on_postgres
from tests.servers.kafka.brokers import fresh, put_on_kafka
from tests.servers.kafka.cluster import cluster
from tests.tally import kept_up, model_service, open_store, tally_broker, tally_service
from tests.tally import metadata as tally_tables

DATABASE, LOG = "database", "log"
BETWEEN = 100
SWALLOWINGS = 4
_PATIENCE_SECONDS = 120.0
_SLEEP = "SELECT pg_sleep(25)"
_SLEEPERS = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(25)' AND wait_event = 'PgSleep'"
_ACKNOWLEDGED_SECONDS = 0.5
_GIVEN_UP_SECONDS = 60
"""Without probes of our own it takes 85 seconds, with them less than 25: neither is near."""
pytestmark = [
    pytest.mark.fault,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(500),
    pytest.mark.xdist_group("network-faults"),
    pytest.mark.usefixtures("kafka_sockets_swept"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Network]:
    """PostgreSQL and Kafka, each on a host of its own; what is under the test's folder is there."""
    with ExitStack() as stack:
        hosts = stack.enter_context(network(DATABASE, LOG))
        place, wrapper = hosts.address(DATABASE), hosts.on(DATABASE)
        server = stack.enter_context(postgres.running(durable=True, host=place, wrapper=wrapper))
        if not server.pid:
            pytest.skip("LIANGFA_TEST_POSTGRES names a server that is not behind our wires")
        brokers = cluster(tmp_path / "kafka", host=hosts.address(LOG), wrapper=hosts.on(LOG))
        stack.callback(brokers.stop)
        brokers.start()
        put_on_postgres(tmp_path, server.url, "liangfa_network")
        put_on_kafka(tmp_path, fresh(brokers.servers))
        yield hosts


@dataclass
class Load:
    """Clients at work: what they were told, and who consumes what they caused."""

    told: Told
    consumer: Consumer

    async def goes_on(self) -> None:
        """Wait until clients were told more, and more has been consumed."""
        answers, applied = len(self.told.replies) + BETWEEN, self.consumer.state.applied + BETWEEN
        await happened(lambda: len(self.told.replies) >= answers and self.consumer.state.applied >= applied)


async def happened(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def load(folder: Path) -> AsyncIterator[Load]:
    """Send commands, publish and consume for the length of the block; every client is answered in the end."""
    told, ended, broker = Told(), asyncio.Event(), tally_broker(folder)
    async with tally_service(folder, SystemClock()) as tally, model_service(folder, broker) as (_, consumer):
        background = [asyncio.create_task(kept_up(work, [])) for work in (tally.relay(broker).run, consumer.run)]
        clients = [asyncio.create_task(client(tally, number, told, ended)) for number in range(CLIENTS)]
        try:
            yield Load(told, consumer)
            ended.set()
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await asyncio.gather(*clients)
        finally:
            for task in (*clients, *background):
                task.cancel()
            await asyncio.gather(*clients, *background, return_exceptions=True)
    await broker.close()


def test_a_slow_and_lossy_line_delays_and_neither_loses_nor_doubles(
    tmp_path: Path, hosts: Network, record_property: Record
) -> None:
    """200 ms for a round trip, give or take 50, and one packet in fifty lost; work goes on meanwhile, and after."""

    async def storm() -> Told:
        async with load(tmp_path) as working:
            for _ in range(2):
                await working.goes_on()
                for server in (DATABASE, LOG):
                    hosts.between(HERE, server, FAR)
                await working.goes_on()
                hosts.heal()
            await working.goes_on()
        return working.told

    told = asyncio.run(storm())
    outcome = asyncio.run(aftermath(tmp_path, told))
    outcome.renamed("line to PostgreSQL and Kafka slow (200 ± 50 ms) and lossy (2 %)", 2).tell(record_property)


def test_answers_that_never_arrive_are_asked_for_again(tmp_path: Path, hosts: Network, record_property: Record) -> None:
    """PostgreSQL hears us and commits; we hear nothing of it, until callers are told so, or for less."""

    async def storm() -> Told:
        chance = random.Random(20261123)
        async with load(tmp_path) as working:
            for number in range(SWALLOWINGS):
                await working.goes_on()
                await asyncio.sleep(chance.uniform(0.0, 0.5))
                before = working.told.refusals
                hosts.one_way(DATABASE, HERE, CUT)
                if number % 2:
                    await happened(lambda told=before: working.told.refusals > told)  # type: ignore[misc]
                else:
                    await asyncio.sleep(chance.uniform(0.5, 4.0))
                hosts.one_way(DATABASE, HERE, FINE)
            await working.goes_on()
        return working.told

    told = asyncio.run(storm())
    outcome = asyncio.run(aftermath(tmp_path, told))
    outcome.renamed("answers of PostgreSQL swallowed under load", SWALLOWINGS).tell(record_property)


def test_a_server_that_falls_silent_after_it_took_a_request_is_given_up(tmp_path: Path, hosts: Network) -> None:
    """Nothing of ours is unacknowledged then: only probes of the silent connection can tell."""
    seconds: list[float] = []

    async def scenario() -> None:
        sleeping = asyncio.create_task(store.read(lambda connection: connection.execute(sa.text(_SLEEP))))
        while not await store.read(lambda connection: connection.scalar(sa.text(_SLEEPERS))):
            assert not sleeping.done()
        await asyncio.sleep(_ACKNOWLEDGED_SECONDS)
        cut = time.monotonic()
        hosts.between(HERE, DATABASE, CUT)
        with pytest.raises(Unavailable):
            await sleeping
        seconds.append(time.monotonic() - cut)

    with closing(open_store(tmp_path / "tally.sqlite3", tally_tables)) as store:
        try:
            asyncio.run(scenario())
        finally:
            hosts.heal()
    assert seconds[0] < _GIVEN_UP_SECONDS
