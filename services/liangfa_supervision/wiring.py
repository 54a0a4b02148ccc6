"""The composition root of supervision."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liangfa_kit.boarding import Board
from liangfa_kit.clock import Clock
from liangfa_kit.hosting import Gauge
from liangfa_kit.ids import UuidSequence
from liangfa_kit.logs import CanonicalLog
from liangfa_kit.messaging.broker import Broker
from liangfa_kit.messaging.consumer import Consumer, service_actor
from liangfa_kit.messaging.lease import lease_on
from liangfa_kit.messaging.relay import Relay
from liangfa_kit.rpc.served import Served, served
from liangfa_kit.scheduler import Alarm, Scheduler, alarm_of
from liangfa_kit.settings import Database
from liangfa_kit.store.opening import open_store
from liangfa_kit.store.port import Store
from liangfa_kit.telemetry import CONSUMER_APPLIED, CONSUMER_SET_ASIDE, OFF, WATCHERS, Telemetry
from liangfa_kit.train import Train
from liangfa_kit.work import Call
from liangfa_protos.supervision.v1.order_service_pb2_grpc import add_OrderServiceServicer_to_server
from liangfa_protos.supervision.v1.supervision_service_pb2_grpc import add_SupervisionServiceServicer_to_server
from liangfa_supervision import order_queries, queries
from liangfa_supervision.authority import authorise
from liangfa_supervision.hub import FeedFilter, FeedRow, Hub
from liangfa_supervision.order_servicer import OrderServicer
from liangfa_supervision.ordering import RAISE_ORDER_ALARM, RaiseOrderAlarm
from liangfa_supervision.reactions import MEETING_TOPIC, OWN_TOPIC, TOPIC, TRANSFER_TOPIC, Supervising
from liangfa_supervision.servicer import SupervisionServicer
from liangfa_supervision.stalling import RAISE_STALLED, RaiseStalled
from liangfa_supervision.tables import KIT

NAME = "supervision"
TOPICS = (TOPIC, TRANSFER_TOPIC, MEETING_TOPIC, OWN_TOPIC)
_MIGRATIONS = Path(__file__).parent / "migrations"
_ITSELF = Call(service_actor(NAME))


@dataclass
class Supervision:
    """The service, running once `start` was called. `background` are the tasks that must run beside it."""

    store: Store
    train: Train
    consumer: Consumer
    relay: Relay
    scheduler: Scheduler
    hub: Hub
    services: Sequence[Served]

    @property
    def background(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        """Coroutine functions to run until shutdown."""
        return (self.relay.run, self.consumer.run, self.scheduler.run, self.hub.run)

    @property
    def gauges(self) -> Sequence[Gauge]:
        """Return what has been applied, what is set aside, and who watches."""
        return (
            *self.relay.gauges,
            Gauge(CONSUMER_APPLIED, lambda: self.consumer.state.applied),
            Gauge(CONSUMER_SET_ASIDE, lambda: self.consumer.state.set_aside),
            Gauge(WATCHERS, lambda: self.hub.watchers),
        )

    def start(self) -> None:
        """Start the writer and place the live feed at its stored end."""
        self.train.start()
        with self.store.reading() as connection:
            self.hub.start(queries.newest_cursor(connection))

    async def stop(self) -> None:
        """Finish what is accepted, close the database."""
        self.train.stop()
        self.store.close()


def database_path(folder: Path) -> Path:
    """Return the service's SQLite file within the platform's folder."""
    return folder / NAME / "supervision.sqlite3"


def build(
    folder: Path,
    broker: Broker,
    clock: Clock,
    *,
    database: Database | None = None,
    heartbeat_seconds: float = 15.0,
    telemetry: Telemetry = OFF,
    log: CanonicalLog | None = None,
) -> Supervision:
    """Build the service on the database that the settings name, migrated; without one on SQLite under `folder`.

    `log` gets a line for each event.
    """
    store = open_store(database or Database(), NAME, database_path(folder), _MIGRATIONS)
    ids = UuidSequence(clock)
    train = Train(store, Board(KIT, clock, ids))
    consumer = Consumer(
        NAME,
        store=store,
        tables=KIT,
        train=train,
        broker=broker,
        clock=clock,
        topics=TOPICS,
        reactions=Supervising(),
        telemetry=telemetry,
    )

    if log is not None:
        consumer.log_to(log)

    async def read_page(wanted: FeedFilter, after: int, limit: int) -> Sequence[FeedRow]:
        return await store.read(lambda connection: queries.feed_page(connection, wanted, after, limit))

    async def read_newest() -> int:
        return await store.read(queries.newest_cursor)

    hub = Hub(read_page, read_newest, heartbeat_seconds=heartbeat_seconds)
    consumer.on_applied.append(lambda _events: hub.refresh())
    servicer = SupervisionServicer(store, train, hub, clock)
    services = (
        served(add_SupervisionServiceServicer_to_server, servicer, authority=authorise),
        served(add_OrderServiceServicer_to_server, OrderServicer(store, train, ids), authority=authorise),
    )
    lease = lease_on(store, KIT, train, clock, OWN_TOPIC)
    relay = Relay(store, KIT, train, broker, source=NAME, topic=OWN_TOPIC, lease=lease)
    scheduler = Scheduler(clock, _alarms(store, train))
    return Supervision(store, train, consumer, relay, scheduler, hub, services)


def _alarms(store: Store, train: Train) -> list[Alarm]:
    """Return what is told because time passes: orders that are due, transfers that lie still."""

    async def orders(now: int, limit: int) -> Sequence[str]:
        return await store.read(lambda connection: order_queries.due_orders(connection, now, limit))

    async def stalled(now: int, limit: int) -> Sequence[str]:
        return await store.read(lambda connection: order_queries.stalled_transfers(connection, now, limit))

    async def tell_order(order_id: str) -> None:
        await train.execute(RAISE_ORDER_ALARM, RaiseOrderAlarm(order_id), _ITSELF)

    async def tell_stalled(transfer_id: str) -> None:
        await train.execute(RAISE_STALLED, RaiseStalled(transfer_id), _ITSELF)

    return [alarm_of(orders, tell_order), alarm_of(stalled, tell_stalled)]
