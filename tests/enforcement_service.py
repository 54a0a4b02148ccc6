"""The whole service behind its pipeline, called through generated stubs as anybody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from liangfa_enforcement_record.wiring import NAME, EnforcementRecord, build, database_path
from liangfa_kit.clock import Clock, ManualClock
from liangfa_kit.identity import Actor, TokenIssuer, TokenVerifier
from liangfa_kit.keys import new_signing_key, public_key
from liangfa_kit.logs import CanonicalLog
from liangfa_kit.messaging.local import LocalBroker
from liangfa_kit.rpc.client import Outgoing
from liangfa_kit.rpc.local import local_channel
from liangfa_kit.rpc.pipeline import Pipeline
from liangfa_kit.settings import Listen
from liangfa_kit.store.opening import has_store
from liangfa_kit.telemetry import Telemetry
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from liangfa_protos.enforcement_record.v1.evidence_service_pb2_grpc import EvidenceServiceStub
from liangfa_protos.enforcement_record.v1.import_service_pb2_grpc import ImportServiceStub
from liangfa_protos.enforcement_record.v1.screening_service_pb2_grpc import ScreeningServiceStub
from tests.enforcement import OFFICER, START, new_database, screening
from tests.servers.databases import database_of

_KEY = new_signing_key()


@dataclass
class Service:
    """A running service. `cases(actor)` and the like are stubs on which `actor` calls."""

    record: EnforcementRecord
    clock: Clock
    pipeline: Pipeline
    issuer: TokenIssuer
    folder: Path

    def channel(self, actor: Actor = OFFICER) -> Any:
        return local_channel(self.pipeline, Outgoing(token=lambda: self.issuer.issue(actor)))

    def cases(self, actor: Actor = OFFICER) -> Any:
        return CaseServiceStub(self.channel(actor))

    def evidence(self, actor: Actor = OFFICER) -> Any:
        return EvidenceServiceStub(self.channel(actor))

    def imports(self, actor: Actor = OFFICER) -> Any:
        return ImportServiceStub(self.channel(actor))

    def screening(self, actor: Actor = OFFICER) -> Any:
        return ScreeningServiceStub(self.channel(actor))


@asynccontextmanager
async def running_service(folder: Path, clock: Clock | None = None) -> AsyncIterator[Service]:
    """Run the service on `folder`; a second run on it begins an hour later."""
    database, path = database_of(folder), database_path(folder)
    is_new = not has_store(database, NAME, path)
    if is_new and not database.url.get_secret_value():
        new_database(path)
    clock = clock or ManualClock(START if is_new else START + timedelta(hours=1))
    broker = LocalBroker(folder / "events.sqlite3")
    record = build(folder, broker, clock, screening(), database=database)
    pipeline = Pipeline(
        record.services,
        verifier=TokenVerifier({_KEY.kid: public_key(_KEY)}, clock),
        log=CanonicalLog(lambda _line: None, clock, enabled=False),
        telemetry=Telemetry(),
        limits=Listen(),
    )
    record.start()
    try:
        yield Service(record, clock, pipeline, TokenIssuer(_KEY, clock, timedelta(minutes=15)), folder)
    finally:
        await record.stop()
        await broker.close()
