"""Health tells the truth by a round trip: what it says follows the database and the brokers, down and up again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.replicas import Replica, lasting_ports, running
from tests.servers import postgres
from tests.servers.databases import put_on_postgres
from tests.servers.kafka.cluster import Cluster, cluster, existing

pytestmark = [pytest.mark.asyncio, pytest.mark.slow, pytest.mark.fault, pytest.mark.timeout(600)]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[postgres.PostgresServer]:
    """A server of this test alone."""
    with postgres.running(durable=True) as server:
        if not server.pid:
            pytest.skip("LIANGFA_TEST_POSTGRES names a server that is not ours to kill")
        put_on_postgres(tmp_path, server.url, "liangfa_readiness")
        yield server


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Cluster]:
    """A broker of this test alone."""
    if existing():
        pytest.skip("LIANGFA_TEST_KAFKA names a broker that is not ours to kill")
    with ExitStack() as stack:
        one = cluster(tmp_path / "kafka")
        stack.callback(one.stop)
        one.start()
        yield one


@pytest.mark.xdist_group("kafka-faults")
async def test_a_lost_broker_and_a_lost_database_show_and_pass(
    tmp_path: Path, database: postgres.PostgresServer, broker: Cluster
) -> None:
    """Without its broker a service is not ready, but calls are answered; without its database they are not."""
    kafka = {"LIANGFA_KAFKA__SERVERS": broker.servers, "LIANGFA_KAFKA__REPLICATION": "1"}
    service = Replica("enforcement_record", tmp_path, lasting_ports(1)[0], kafka)
    async with running([service]):
        await service.ready("enforcement_record")
        broker.kill()
        await service.ready("enforcement_record", is_ready=False)
        await service.ready("calls")
        broker.restart()
        await service.ready("enforcement_record")
        database.kill()
        await service.ready("calls", is_ready=False)
        database.restart()
        await service.ready("calls")
        await service.ready("enforcement_record")
        assert await service.stop() == 0
