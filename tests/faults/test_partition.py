"""A Kafka cluster of three hosts that lose sight of one another: nothing lost, nothing doubled, order kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.faults.figures import Record
from tests.faults.hosts import CUT, Network, network
from tests.faults.test_kill_kafka import file_some, nothing_lost, until, working
from tests.servers.kafka.brokers import fresh
from tests.servers.kafka.cluster import Cluster, cluster
from tests.servers.kafka.jars import class_path

BROKERS = ("first", "second", "third")
FILED = 100
_PATIENCE_SECONDS = 240.0
_UNSEEN_SECONDS = 8.0
"""Longer than the three after which brokers hold one of them for dead."""
pytestmark = [
    pytest.mark.fault,
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.asyncio,
    pytest.mark.timeout(1_200),
    pytest.mark.xdist_group("network-faults"),
    pytest.mark.usefixtures("kafka_sockets_swept"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@dataclass
class Hosts:
    """Three brokers, each on a host of its own."""

    wires: Network
    brokers: Cluster


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    """A cluster that goes on while two of its brokers see each other."""
    class_path()
    with network(*BROKERS) as wires:
        brokers = cluster(tmp_path / "kafka", len(BROKERS))
        brokers.nodes = [
            replace(node, host=wires.address(name), wrapper=wires.on(name))
            for node, name in zip(brokers.nodes, BROKERS, strict=True)
        ]
        try:
            brokers.start()
            yield Hosts(wires, brokers)
        finally:
            brokers.stop()


async def test_a_broker_that_nobody_sees_is_done_without(tmp_path: Path, hosts: Hosts, record_property: Record) -> None:
    """Each in turn; the two others have all that was acknowledged, and go on."""
    settings = fresh(hosts.brokers.servers, replication=3, publish_seconds=10)
    async with working(tmp_path, settings) as (tally, _, model, consumer):
        filed, longest = 0, 0.0
        for name in BROKERS:
            await file_some(tally, filed, filed + FILED)
            hosts.wires.around(name, CUT)
            cut = time.monotonic()
            await file_some(tally, filed + FILED, filed + 2 * FILED)
            filed += 2 * FILED
            await until(lambda done=filed: consumer.state.applied >= done, _PATIENCE_SECONDS)  # type: ignore[misc]
            longest = max(longest, time.monotonic() - cut)
            hosts.wires.heal()
        await file_some(tally, filed, filed + FILED)
        await until(lambda: consumer.state.applied >= filed + FILED, _PATIENCE_SECONDS)
        fault = "network of one of three Kafka brokers cut"
        await nothing_lost(model, consumer, filed + FILED, record_property, fault, len(BROKERS), longest)


async def test_a_broker_that_clients_see_and_brokers_do_not_acknowledges_nothing_that_is_lost(
    tmp_path: Path, hosts: Hosts, record_property: Record
) -> None:
    """It still takes itself for a leader; what it accepts alone counts for nothing, and is sent again to the new one."""
    settings = fresh(hosts.brokers.servers, replication=3, publish_seconds=10)
    async with working(tmp_path, settings) as (tally, _, model, consumer):
        filed, longest = 0, 0.0
        for name in BROKERS:
            await file_some(tally, filed, filed + FILED)
            for other in BROKERS:
                if other != name:
                    hosts.wires.between(name, other, CUT)
            await file_some(tally, filed + FILED, filed + 2 * FILED)
            await asyncio.sleep(_UNSEEN_SECONDS)
            hosts.wires.heal()
            healed = time.monotonic()
            await file_some(tally, filed + 2 * FILED, filed + 3 * FILED)
            filed += 3 * FILED
            await until(lambda done=filed: consumer.state.applied >= done, _PATIENCE_SECONDS)  # type: ignore[misc]
            longest = max(longest, time.monotonic() - healed)
        fault = "three Kafka brokers partitioned, clients see all"
        await nothing_lost(model, consumer, filed, record_property, fault, len(BROKERS), longest)
