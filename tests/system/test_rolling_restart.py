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
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as record
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from tests.enforcement import OFFICER, case
from tests.replicas import Replica, running
from tests.servers.databases import database_of
from tests.servers.kafka.cluster import free_ports

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("on_postgres"),
]
SERVICE = record.DESCRIPTOR.services_by_name["CaseService"]
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
                case_id = (await stub.RegisterCase(request, timeout=120)).case.id
                read = record.GetCaseRequest(case_id=case_id, purpose="复核")
                assert (await stub.GetCase(read, timeout=120)).case.cause == f"案件{request_id}"
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


async def test_replicas_restart_in_turn_and_no_call_fails(tmp_path: Path) -> None:
    """Each is stopped with SIGTERM, drains, ends with exit code 0 and comes back on its address."""
    replicas = [
        Replica("enforcement_record", tmp_path, port, {"LIANGFA_LISTEN__LINGER_SECONDS": "1"}) for port in free_ports(2)
    ]
    async with running(replicas), filing(tmp_path, replicas) as clients:
        for replica in replicas:
            await progressed(clients, CALLS_BETWEEN)
            assert await replica.stop() == 0
            await progressed(clients, CALLS_BETWEEN)
            await replica.start()
            await replica.ready()
        await progressed(clients, CALLS_BETWEEN)
        filed = [case_id for client in clients for case_id in client.ids]
    with psycopg.connect(database_of(tmp_path).url.get_secret_value()) as connection:
        stored = connection.execute("SELECT id, cause FROM enforcement_record.cases").fetchall()
    assert len(filed) == len(set(filed))
    assert set(filed) <= {str(case_id) for case_id, _ in stored}
    causes = [cause for _, cause in stored]
    assert len(causes) == len(set(causes))
