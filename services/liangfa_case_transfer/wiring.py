"""The composition root of case_transfer: everything it is made of, put together once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from liangfa_case_transfer.authority import authorise
from liangfa_case_transfer.case_evidence import CaseEvidence
from liangfa_case_transfer.commands.clock_commands import RAISE_ALARM, ClockCommands, RaiseAlarm
from liangfa_case_transfer.commands.handing_over import SigningCommands
from liangfa_case_transfer.commands.opening import OpeningCommands
from liangfa_case_transfer.commands.stepping import SteppingCommands
from liangfa_case_transfer.desk import Desk
from liangfa_case_transfer.keyring import Keyring
from liangfa_case_transfer.queries import transferring
from liangfa_case_transfer.recounting import Recounter
from liangfa_case_transfer.rpc.document_servicer import DocumentServicer
from liangfa_case_transfer.rpc.transfer_servicer import TransferServicer
from liangfa_case_transfer.tables import KIT
from liangfa_kit.boarding import Board
from liangfa_kit.clock import Clock
from liangfa_kit.hosting import Gauge
from liangfa_kit.ids import UuidSequence
from liangfa_kit.messaging import topics
from liangfa_kit.messaging.broker import Broker
from liangfa_kit.messaging.consumer import service_actor
from liangfa_kit.messaging.lease import lease_on
from liangfa_kit.messaging.relay import Relay
from liangfa_kit.object_storage import open_objects
from liangfa_kit.objects import ObjectStore
from liangfa_kit.rpc.served import Served, served
from liangfa_kit.scheduler import Scheduler, alarm_of
from liangfa_kit.settings import Database, Objects
from liangfa_kit.store.opening import open_store
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_kit.work import Call
from liangfa_procedure.clocks import Calendar
from liangfa_procedure.regional import RegionalTemplates
from liangfa_protos.case_transfer.v1.document_service_pb2_grpc import add_DocumentServiceServicer_to_server
from liangfa_protos.case_transfer.v1.transfer_service_pb2_grpc import add_TransferServiceServicer_to_server

NAME = "case_transfer"
_MIGRATIONS = Path(__file__).parent / "migrations"
_log = structlog.get_logger("liangfa.case_transfer")
_ITSELF = Call(service_actor(NAME))


@dataclass
class CaseTransfer:
    """The service, running once `start` was called. `background` are the tasks that must run beside it."""

    store: Store
    objects: ObjectStore
    train: Train
    relay: Relay
    scheduler: Scheduler
    services: Sequence[Served]
    evidence: CaseEvidence
    recounter: Recounter

    @property
    def background(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        """Coroutine functions to run until shutdown."""
        return (self.relay.run, self.scheduler.run, self.recounter.run)

    @property
    def gauges(self) -> Sequence[Gauge]:
        """Return how far the journal is, and how much of it is published."""
        return self.relay.gauges

    async def next_alarm_at(self) -> int | None:
        """Return when the scheduler has something to tell next, in microseconds UTC; None when it has nothing."""
        return await self.store.read(transferring.next_alarm_at)

    def start(self) -> None:
        """Start the writer."""
        self.train.start()

    async def stop(self) -> None:
        """Finish what is accepted, close the database."""
        self.train.stop()
        self.store.close()


def database_path(folder: Path) -> Path:
    """Return the service's SQLite file within the platform's folder."""
    return folder / NAME / "transfers.sqlite3"


def key_folder(folder: Path) -> Path:
    """Return where the organisations' signing keys are kept."""
    return folder / NAME / "keys"


def files_path(folder: Path) -> Path:
    """Return the folder of issued documents and their scans within the platform's folder."""
    return folder / NAME / "files"


def build(
    folder: Path,
    broker: Broker,
    clock: Clock,
    calendar: Calendar | None = None,
    *,
    database: Database | None = None,
    objects: Objects | None = None,
    template_folder: Path | None = None,
) -> CaseTransfer:
    """Build the service on the database that the settings name, migrated; without one on SQLite under `folder`."""
    store = open_store(database or Database(), NAME, database_path(folder), _MIGRATIONS)
    ids = UuidSequence(clock)
    train = Train(store, Board(KIT, clock, ids))
    days, keyring = calendar or Calendar(), Keyring(key_folder(folder))
    servicer = TransferServicer(
        train, store, clock, ids, keyring,
        opening=OpeningCommands(days),
        stepping=SteppingCommands(days, keyring),
        signing=SigningCommands(days, keyring),
        timing=ClockCommands(days),
    )  # fmt: skip
    templates = RegionalTemplates(template_folder)
    _tell_broken(templates)
    files = open_objects(objects or Objects(), NAME, files_path(folder))
    evidence = CaseEvidence()
    desk = Desk(train, store, files, clock, ids, templates.of)
    services = (
        served(add_TransferServiceServicer_to_server, servicer, authority=authorise),
        served(
            add_DocumentServiceServicer_to_server,
            DocumentServicer(train, store, files, ids, keyring, evidence, desk),
            authority=authorise,
        ),
    )
    lease = lease_on(store, KIT, train, clock, topics.CASE_TRANSFER.name)
    relay = Relay(store, KIT, train, broker, source=NAME, topic=topics.CASE_TRANSFER.name, lease=lease)
    recounter = Recounter(clock, store, train, days, _ITSELF)
    return CaseTransfer(store, files, train, relay, _scheduler(clock, store, train), services, evidence, recounter)


def _tell_broken(templates: RegionalTemplates) -> None:
    """Say at the start which templates cannot be used: documents of their kinds are refused, everything else goes on."""
    for broken in templates.problems():
        _log.error("template_broken", template=broken.template, cause=broken.cause)


def _scheduler(clock: Clock, store: Store, train: Train) -> Scheduler:
    async def due(now: int, limit: int) -> Sequence[RaiseAlarm]:
        found = await store.read(lambda connection: transferring.due_alarms(connection, now, limit))
        return [RaiseAlarm(clock_id, transfer_id) for clock_id, transfer_id in found]

    async def tell(command: RaiseAlarm) -> None:
        await train.execute(RAISE_ALARM, command, _ITSELF)

    return Scheduler(clock, [alarm_of(due, tell)], next_at=lambda: store.read(transferring.next_alarm_at))
