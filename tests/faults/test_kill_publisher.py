"""`kill -9` of the replica that publishes a service's events: another goes on, and every event reaches the log."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from liangfa_enforcement_record.wiring import NAME, TOPIC
from liangfa_kit.clock import SystemClock
from liangfa_kit.identity import TokenIssuer
from liangfa_kit.keys import signing_key
from liangfa_kit.messaging.broker import Delivery
from liangfa_kit.messaging.local import LocalBroker
from liangfa_kit.messaging.opening import log_path
from liangfa_kit.rpc.client import Outgoing, connect
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as record
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from tests.enforcement import OFFICER, case
from tests.replicas import Replica, lasting_ports, running
from tests.servers.databases import database_of

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.fault,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("on_postgres"),
]
_PATIENCE_SECONDS = 240
_CASES = 20


async def file_cases(folder: Path, replica: Replica) -> None:
    issuer = TokenIssuer(signing_key(folder / "identity"), SystemClock(), timedelta(minutes=10))
    async with connect(replica.address, Outgoing(token=lambda: issuer.issue(OFFICER))) as channel:
        stub: Any = CaseServiceStub(channel)
        for _ in range(_CASES):
            request = record.RegisterCaseRequest(request_id=str(uuid.uuid4()), case=case())
            await stub.RegisterCase(request, timeout=_PATIENCE_SECONDS)


async def published(folder: Path) -> list[int]:
    """Return the journal positions in the log, in its order."""
    broker = LocalBroker(log_path(folder))
    subscription = await broker.subscribe("looking", [TOPIC], lambda _topic, _partition: 0)
    found: list[Delivery] = []
    while more := await subscription.poll(1_000, 0):
        found += more
    await broker.close()
    return [int(delivery.message.headers["ce_position"]) for delivery in found]


def journalled(folder: Path) -> list[int]:
    with psycopg.connect(database_of(folder).url.get_secret_value()) as connection:
        rows = connection.execute(f"SELECT position FROM {NAME}.journal ORDER BY position".encode()).fetchall()
    return [int(position) for (position,) in rows]


async def all_published(folder: Path) -> list[int]:
    """Wait until everything that is journalled is in the log, and return what is there, each once, in its order."""
    wanted = await asyncio.to_thread(journalled, folder)
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not set(wanted) <= set(found := await published(folder)):
            await asyncio.sleep(0.1)
    first = list(dict.fromkeys(found))
    assert first == wanted
    return first


async def test_whichever_replica_publishes_another_goes_on_when_it_is_killed(tmp_path: Path) -> None:
    """Each is killed in turn while the other lives, so one of the kills hits the holder of the lease; none says farewell."""
    one, other = (Replica(NAME, tmp_path, port) for port in lasting_ports(2))
    async with running([one, other]):
        for killed, living in ((one, other), (other, one)):
            await file_cases(tmp_path, killed)
            await killed.end()
            await file_cases(tmp_path, living)
            await all_published(tmp_path)
            await killed.start()
            await killed.ready()
        assert len(await all_published(tmp_path)) >= 4 * _CASES
