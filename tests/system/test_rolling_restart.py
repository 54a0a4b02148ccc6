"""Two replicas are restarted in turn under load: no call fails, and every case that was acknowledged is there once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from liangfa_kit.clock import SystemClock
from liangfa_kit.identity import TokenIssuer
from liangfa_kit.keys import signing_key
from liangfa_kit.rpc.client import Outgoing, connect
from liangfa_kit.settings import Kafka
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as record
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from liangfa_protos.supervision.v1 import supervision_service_pb2 as watching
from liangfa_protos.supervision.v1.supervision_service_pb2_grpc import SupervisionServiceStub
from tests.enforcement import OFFICER, PROCURATOR, case
from tests.faults.figures import Outcome, Record
from tests.replicas import Replica, lasting_ports, running
from tests.servers.databases import database_of
from tests.servers.kafka.brokers import fresh

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("on_postgres"),
]
SERVICE = record.DESCRIPTOR.services_by_name["CaseService"]
FEED = "SELECT case_id FROM supervision.feed WHERE kind = %s"
CLIENTS, CALLS_BETWEEN = 8, 10


@dataclass
class Client:
    """Files one case after the other and reads each back; what fails ends it."""

    number: int
    ids: list[str] = field(default_factory=list)

    async def file(self, address: str, outgoing: Outgoing) -> None:
        async with connect(address, outgoing, [SERVICE], waits=True) as channel:
            stub: Any = CaseServiceStub(channel)
            while True:
                request_id = f"client{self.number}-{len(self.ids)}"
                request = record.RegisterCaseRequest(request_id=request_id, case=case(cause=f"案件{request_id}"))
                case_id = (await stub.RegisterCase(request, timeout=240)).case.id
                read = record.GetCaseRequest(case_id=case_id, purpose="复核")
                assert (await stub.GetCase(read, timeout=240)).case.cause == f"案件{request_id}"
                self.ids.append(case_id)


@asynccontextmanager
async def filing(folder: Path, replicas: Sequence[Replica]) -> AsyncIterator[list[Client]]:
    """Let clients file for the length of the block. A call that fails fails the test."""
    issuer = TokenIssuer(signing_key(folder / "identity"), SystemClock(), timedelta(minutes=10))
    outgoing = Outgoing(token=lambda: issuer.issue(OFFICER))
    address = ",".join(replica.address for replica in replicas)
    clients = [Client(number) for number in range(CLIENTS)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.file(address, outgoing)) for client in clients]
        yield clients
        for task in tasks:
            task.cancel()


async def progressed(clients: Sequence[Client], count: int) -> None:
    """Return when every client has filed `count` more cases."""
    wanted = [len(client.ids) + count for client in clients]
    while any(len(client.ids) < least for client, least in zip(clients, wanted, strict=True)):
        await asyncio.sleep(0.02)


def settings_for(kafka: Kafka) -> dict[str, str]:
    return {
        "LIANGFA_KAFKA__SERVERS": kafka.servers,
        "LIANGFA_KAFKA__PREFIX": kafka.prefix,
        "LIANGFA_KAFKA__REPLICATION": "1",
        "LIANGFA_LISTEN__LINGER_SECONDS": "1",
    }


async def shown(folder: Path, replica: Replica, wanted: set[str]) -> list[str]:
    """Watch at one replica until the registration of each of these cases was shown; return what was, in order."""
    issuer = TokenIssuer(signing_key(folder / "identity"), SystemClock(), timedelta(minutes=10))
    found: list[str] = []
    async with connect(replica.address, Outgoing(token=lambda: issuer.issue(PROCURATOR))) as channel:
        stub: Any = SupervisionServiceStub(channel)
        request = watching.WatchRequest(after_cursor=0, kinds=[watching.FEED_KIND_CASE_REGISTERED])
        async for message in stub.Watch(request, timeout=240):
            if message.HasField("item"):
                found.append(message.item.case_id)
            if wanted <= set(found):
                break
    return found


async def test_replicas_restart_in_turn_and_no_call_fails(
    tmp_path: Path, kafka_servers: str, record_property: Record
) -> None:
    """Each is stopped with SIGTERM, drains, ends with exit code 0 and comes back on its address; each case is shown once.

    One replica publishes, the other takes over, and two of supervision share the reading: a watcher at one of them sees all
    cases, and none twice.
    """
    settings = settings_for(fresh(kafka_servers))
    ports = lasting_ports(4)
    replicas = [Replica("enforcement_record", tmp_path, port, settings) for port in ports[:2]]
    supervisors = [Replica("supervision", tmp_path, port, settings) for port in ports[2:]]
    async with running([*replicas, *supervisors]), filing(tmp_path, replicas) as clients:
        for replica in replicas:
            await progressed(clients, CALLS_BETWEEN)
            assert await replica.stop() == 0
            await progressed(clients, CALLS_BETWEEN)
            await replica.start()
            await replica.ready()
        await progressed(clients, CALLS_BETWEEN)
        filed = [case_id for client in clients for case_id in client.ids]
        assert len(filed) == len(set(filed))
        seen = await shown(tmp_path, supervisors[0], set(filed))
        assert len(seen) == len(set(seen))
    with psycopg.connect(database_of(tmp_path).url.get_secret_value()) as connection:
        stored = connection.execute("SELECT id, cause FROM enforcement_record.cases").fetchall()
        in_feed = connection.execute(FEED, (watching.FEED_KIND_CASE_REGISTERED,)).fetchall()
    causes = [cause for _, cause in stored]
    lost = len(set(filed) - {str(case_id) for case_id, _ in stored})
    doubled = len(causes) - len(set(causes)) + len(in_feed) - len(set(in_feed))
    fault = "rolling restart of two replicas under load"
    Outcome(fault, len(replicas), len(filed), lost, doubled).tell(record_property)
