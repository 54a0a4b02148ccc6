"""The composition root of enforcement_record: everything it is made of, put together once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liangfa_enforcement_record.authority import authorise, visible_rows
from liangfa_enforcement_record.commands.case_commands import CaseCommands
from liangfa_enforcement_record.commands.import_commands import ImportCommands
from liangfa_enforcement_record.importer import Importer
from liangfa_enforcement_record.rpc.case_servicer import CaseServicer
from liangfa_enforcement_record.rpc.evidence_servicer import EvidenceServicer
from liangfa_enforcement_record.rpc.import_servicer import ImportServicer
from liangfa_enforcement_record.rpc.screening_servicer import ScreeningServicer
from liangfa_enforcement_record.screening import CaseScreening
from liangfa_enforcement_record.tables import KIT
from liangfa_kit.boarding import Board
from liangfa_kit.clock import Clock
from liangfa_kit.hosting import Gauge
from liangfa_kit.ids import UuidSequence
from liangfa_kit.messaging import topics
from liangfa_kit.messaging.broker import Broker
from liangfa_kit.messaging.lease import lease_on
from liangfa_kit.messaging.relay import Relay
from liangfa_kit.object_storage import open_objects
from liangfa_kit.objects import ObjectStore
from liangfa_kit.rpc.served import Deadline, Served, served
from liangfa_kit.settings import Database, Objects
from liangfa_kit.store.opening import open_store
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_protos.enforcement_record.v1 import (
    case_service_pb2_grpc,
    evidence_service_pb2_grpc,
    import_service_pb2_grpc,
    screening_service_pb2_grpc,
)

NAME = "enforcement_record"
TOPIC = topics.ENFORCEMENT_RECORD.name
_MIGRATIONS = Path(__file__).parent / "migrations"
_IMPORT_DEADLINE = Deadline(default_seconds=3_600.0, max_seconds=86_400.0)


@dataclass
class EnforcementRecord:
    """The service, running once `start` was called. `background` are the tasks that must run beside it."""

    store: Store
    objects: ObjectStore
    train: Train
    relay: Relay
    importer: Importer
    services: Sequence[Served]

    @property
    def background(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        """Coroutine functions to run until shutdown."""
        return (self.relay.run,)

    @property
    def gauges(self) -> Sequence[Gauge]:
        """Return how far the journal is, and how much of it is published."""
        return self.relay.gauges

    def start(self) -> None:
        """Start the writer."""
        self.train.start()

    async def stop(self) -> None:
        """Stop imports (they go on when resumed), finish what is accepted, close the database."""
        await self.importer.stop()
        self.train.stop()
        self.store.close()


def database_path(folder: Path) -> Path:
    """Return the service's SQLite file within the platform's folder."""
    return folder / NAME / "records.sqlite3"


def files_path(folder: Path) -> Path:
    """Return the folder of evidence and imported tables within the platform's folder."""
    return folder / NAME / "files"


def build(
    folder: Path,
    broker: Broker,
    clock: Clock,
    screening: CaseScreening | None = None,
    *,
    database: Database | None = None,
    objects: Objects | None = None,
) -> EnforcementRecord:
    """Build the service on the database that the settings name, migrated; without one on SQLite under `folder`."""
    store = open_store(database or Database(), NAME, database_path(folder), _MIGRATIONS, visible_rows)
    train = Train(store, Board(KIT, clock, UuidSequence(clock)))
    rules = screening or CaseScreening()
    cases, imports = CaseCommands(rules), ImportCommands(rules)
    files = open_objects(objects or Objects(), NAME, files_path(folder))
    importer = Importer(train, store, files, imports, clock)
    services = (
        served(
            case_service_pb2_grpc.add_CaseServiceServicer_to_server,
            CaseServicer(train, store, cases),
            authority=authorise,
        ),
        served(
            screening_service_pb2_grpc.add_ScreeningServiceServicer_to_server,
            ScreeningServicer(train, store, cases, rules),
            authority=authorise,
        ),
        served(
            import_service_pb2_grpc.add_ImportServiceServicer_to_server,
            ImportServicer(train, store, files, imports, importer),
            authority=authorise,
            deadlines=dict.fromkeys(("ImportTable", "ResumeImport", "WatchImport"), _IMPORT_DEADLINE),
        ),
        served(
            evidence_service_pb2_grpc.add_EvidenceServiceServicer_to_server,
            EvidenceServicer(train, store, files, cases),
            authority=authorise,
        ),
    )
    lease = lease_on(store, KIT, train, clock, TOPIC)
    relay = Relay(store, KIT, train, broker, source=NAME, topic=TOPIC, lease=lease)
    return EnforcementRecord(store, files, train, relay, importer, services)
