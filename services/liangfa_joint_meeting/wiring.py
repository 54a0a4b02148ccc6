"""The composition root of joint_meeting: everything it is made of, put together once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from liangfa_joint_meeting.authority import authorise
from liangfa_joint_meeting.case_facts import CaseFacts
from liangfa_joint_meeting.commands.alarms import (
    RAISE_MEETING_ALARM,
    RAISE_REPLY_ALARM,
    RAISE_TASK_ALARM,
    RaiseMeetingAlarm,
    RaiseReplyAlarm,
    RaiseTaskAlarm,
)
from liangfa_joint_meeting.commands.asking import AskingCommands
from liangfa_joint_meeting.commands.tasking import FULFIL, Fulfil
from liangfa_joint_meeting.hub import Hub
from liangfa_joint_meeting.marking import MarkWriter
from liangfa_joint_meeting.queries import consulting
from liangfa_joint_meeting.queries import meeting as meeting_queries
from liangfa_joint_meeting.queries.consulting import StoredMessage
from liangfa_joint_meeting.reactions import TOPICS, Learning
from liangfa_joint_meeting.reply_clock import ReplyRule
from liangfa_joint_meeting.rpc.consultation_servicer import ConsultationServicer
from liangfa_joint_meeting.rpc.conversation import Talk
from liangfa_joint_meeting.rpc.file_servicer import FileServicer
from liangfa_joint_meeting.rpc.meeting_servicer import MeetingServicer
from liangfa_joint_meeting.rpc.precedent_servicer import PrecedentServicer
from liangfa_joint_meeting.rpc.unit_servicer import UnitServicer
from liangfa_joint_meeting.tables import KIT
from liangfa_kit.boarding import Board
from liangfa_kit.clock import Clock
from liangfa_kit.hosting import Gauge
from liangfa_kit.ids import UuidSequence
from liangfa_kit.messaging import topics
from liangfa_kit.messaging.broker import Broker
from liangfa_kit.messaging.consumer import Consumer, service_actor
from liangfa_kit.messaging.lease import lease_on
from liangfa_kit.messaging.relay import Relay
from liangfa_kit.object_storage import open_objects
from liangfa_kit.objects import ObjectStore
from liangfa_kit.rpc.served import Served, served
from liangfa_kit.scheduler import Alarm, Scheduler, alarm_of
from liangfa_kit.settings import Database, Objects
from liangfa_kit.store.opening import open_store
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_kit.work import Call
from liangfa_protos.joint_meeting.v1 import (
    consultation_service_pb2_grpc,
    file_service_pb2_grpc,
    meeting_service_pb2_grpc,
    precedent_service_pb2_grpc,
    unit_service_pb2_grpc,
)

K = TypeVar("K")
NAME = "joint_meeting"
TOPIC = topics.JOINT_MEETING.name
_MIGRATIONS = Path(__file__).parent / "migrations"
_ITSELF = Call(service_actor(NAME))


@dataclass
class JointMeeting:
    """The service, running once `start` was called. `background` are the tasks that must run beside it."""

    store: Store
    objects: ObjectStore
    train: Train
    relay: Relay
    consumer: Consumer
    hub: Hub
    marks: MarkWriter
    scheduler: Scheduler
    case_facts: CaseFacts
    services: Sequence[Served]

    @property
    def background(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        """Coroutine functions to run until shutdown."""
        return (self.relay.run, self.consumer.run, self.marks.run, self.scheduler.run, self.hub.run)

    @property
    def gauges(self) -> Sequence[Gauge]:
        """Return how far the journal is, and how much of it is published."""
        return self.relay.gauges

    def start(self) -> None:
        """Start the writer."""
        self.train.start()

    async def stop(self) -> None:
        """Write the marks that wait, finish what is accepted, close the database."""
        await self.marks.finish()
        self.train.stop()
        self.store.close()


def database_path(folder: Path) -> Path:
    """Return the service's database file within the platform's folder."""
    return folder / NAME / "joint_meeting.sqlite3"


def files_path(folder: Path) -> Path:
    """Return the folder of the files that units send within the platform's folder."""
    return folder / NAME / "files"


def build(
    folder: Path,
    broker: Broker,
    clock: Clock,
    rule: ReplyRule | None = None,
    *,
    database: Database | None = None,
    objects: Objects | None = None,
    heartbeat_seconds: float = 15.0,
) -> JointMeeting:
    """Build the service on the database that the settings name, migrated; without one on SQLite under `folder`."""
    store = open_store(database or Database(), NAME, database_path(folder), _MIGRATIONS)
    files = open_objects(objects or Objects(), NAME, files_path(folder))
    ids = UuidSequence(clock)
    train = Train(store, Board(KIT, clock, ids))

    async def read_page(consultation_id: str, unit_id: str, after: int, limit: int) -> Sequence[StoredMessage]:
        return await store.read(lambda c: consulting.message_page(c, consultation_id, unit_id, after, limit))

    async def read_ends(keys: Sequence[str]) -> Mapping[str, int]:
        return await store.read(lambda c: consulting.ends(c, keys))

    hub = Hub(read_page, read_ends, heartbeat_seconds=heartbeat_seconds)
    marks = MarkWriter(train, hub)
    case_facts = CaseFacts()
    asking = AskingCommands(rule or ReplyRule())
    consultations = ConsultationServicer(train, store, asking, Talk(train, hub, marks), clock, ids, case_facts)
    services = (
        _served(consultation_service_pb2_grpc.add_ConsultationServiceServicer_to_server, consultations),
        _served(
            precedent_service_pb2_grpc.add_PrecedentServiceServicer_to_server, PrecedentServicer(train, store, clock)
        ),
        _served(meeting_service_pb2_grpc.add_MeetingServiceServicer_to_server, MeetingServicer(train, store, clock)),
        _served(file_service_pb2_grpc.add_FileServiceServicer_to_server, FileServicer(train, store, files, case_facts)),
        _served(unit_service_pb2_grpc.add_UnitServiceServicer_to_server, UnitServicer(train, store)),
    )
    lease = lease_on(store, KIT, train, clock, TOPIC)
    relay = Relay(store, KIT, train, broker, source=NAME, topic=TOPIC, lease=lease)
    consumer = Consumer(
        NAME, store=store, tables=KIT, train=train, broker=broker, clock=clock,
        topics=TOPICS, reactions=Learning(),
    )  # fmt: skip
    scheduler = Scheduler(clock, _alarms(store, train, hub))
    return JointMeeting(store, files, train, relay, consumer, hub, marks, scheduler, case_facts, services)


def _served(add: Callable[[Any, Any], None], servicer: Any) -> Served:
    return served(add, servicer, authority=authorise)


def _alarms(store: Store, train: Train, hub: Hub) -> list[Alarm]:
    """Return what is told because time passes, or because a step was taken.

    A task that its step has done is found before it is told to be overdue; not in the reaction to the step, for a read
    model that is rebuilt must journal nothing anew.
    """

    def told(due: Callable[[sa.Connection, int, int], Sequence[K]], tell: Callable[[K], Awaitable[object]]) -> Alarm:
        async def found(now: int, limit: int) -> Sequence[K]:
            return await store.read(lambda connection: due(connection, now, limit))

        return alarm_of(found, tell)

    async def reply(key: tuple[str, str]) -> None:
        await train.execute(RAISE_REPLY_ALARM, RaiseReplyAlarm(*key), _ITSELF)
        hub.look(key[1])

    async def done(key: tuple[str, str]) -> None:
        await train.execute(FULFIL, Fulfil(*key), _ITSELF)

    async def task(task_id: str) -> None:
        await train.execute(RAISE_TASK_ALARM, RaiseTaskAlarm(task_id), _ITSELF)

    async def meeting(region: str) -> None:
        await train.execute(RAISE_MEETING_ALARM, RaiseMeetingAlarm(region), _ITSELF)

    return [
        told(consulting.due_replies, reply),
        told(meeting_queries.done_tasks, done),
        told(meeting_queries.due_tasks, task),
        told(meeting_queries.due_regions, meeting),
    ]
