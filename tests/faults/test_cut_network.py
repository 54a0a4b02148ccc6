"""A pulled cable between the services and both servers: what was acknowledged is there once, and work goes on by itself."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from liangfa_kit.clock import SystemClock
from tests.faults.figures import Record
from tests.faults.network import Link, link
from tests.faults.test_kill_postgres import CLIENTS, Told, aftermath, client
from tests.servers import postgres
from tests.servers.databases import put_on_postgres
from tests.servers.kafka.brokers import fresh, put_on_kafka
from tests.servers.kafka.cluster import cluster
from tests.tally import kept_up, model_service, tally_broker, tally_service

CUTS = (0.5, 3.0, 14.0, 1.0, 7.0)
"""Seconds without a link: shorter and longer than the ten after which a silent connection is given up."""
BETWEEN = 100
_PATIENCE_SECONDS = 120.0
pytestmark = [pytest.mark.fault, pytest.mark.slow, pytest.mark.usefixtures("kafka_sockets_swept")]


@dataclass
class Hosts:
    """The link, and whether the work on its far side may end."""

    line: Link
    ended: threading.Event


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    """PostgreSQL and Kafka on this host, and a link to another one."""
    with ExitStack() as stack:
        line = stack.enter_context(link())
        server = stack.enter_context(postgres.running(durable=True, host=line.here))
        if not server.pid:
            pytest.skip("LIANGFA_TEST_POSTGRES names a server that is not behind our link")
        brokers = cluster(tmp_path / "kafka", host=line.here)
        stack.callback(brokers.stop)
        brokers.start()
        put_on_postgres(tmp_path, server.url, "liangfa_cut")
        put_on_kafka(tmp_path, fresh(brokers.servers))
        yield Hosts(line, threading.Event())


async def work(folder: Path, told: Told, ended: threading.Event) -> None:
    """Send commands, publish and consume until it is ended."""
    over, broker = asyncio.Event(), tally_broker(folder)
    async with tally_service(folder, SystemClock()) as tally, model_service(folder, broker) as (_, consumer):
        background = [asyncio.create_task(kept_up(run, [])) for run in (tally.relay(broker).run, consumer.run)]
        clients = [asyncio.create_task(client(tally, number, told, over)) for number in range(CLIENTS)]
        await asyncio.to_thread(ended.wait)
        over.set()
        await asyncio.gather(*clients)
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
    await broker.close()


def answered(told: Told, more: int) -> None:
    """Wait until clients were told `more` answers more than now."""
    until, before = time.monotonic() + _PATIENCE_SECONDS, len(told.replies)
    while len(told.replies) < before + more:
        assert time.monotonic() < until, f"no answers for {_PATIENCE_SECONDS:.0f} s after the link was back"
        time.sleep(0.02)


@pytest.mark.timeout(500)
def test_a_cut_link_loses_nothing_and_doubles_nothing(tmp_path: Path, hosts: Hosts, record_property: Record) -> None:
    """Silence of half a second and of fourteen; callers are told, and are answered again when the link is back."""
    told = Told()
    elsewhere = threading.Thread(
        target=lambda: hosts.line.inside(lambda: asyncio.run(work(tmp_path, told, hosts.ended)))
    )
    elsewhere.start()
    try:
        answered(told, BETWEEN)
        for seconds in CUTS:
            hosts.line.cut()
            time.sleep(seconds)
            hosts.line.heal()
            answered(told, BETWEEN)
    finally:
        hosts.line.heal()
        hosts.ended.set()
        elsewhere.join(_PATIENCE_SECONDS)
    assert not elsewhere.is_alive()
    outcome = asyncio.run(aftermath(tmp_path, told))
    outcome.renamed("link to PostgreSQL and Kafka cut under load", len(CUTS)).tell(record_property)
    assert told.longest_wait < max(CUTS) + _PATIENCE_SECONDS
