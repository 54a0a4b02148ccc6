"""A tiny service for the kit's tests: named tallies that are raised by commands, with a read model beside them.

It has no business in it, so that the kit is proved by itself. `TallyRaised` is a `Struct`: any protobuf message does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from google.protobuf.struct_pb2 import Struct
from google.protobuf.wrappers_pb2 import Int64Value

from liangfa_kit.boarding import Board
from liangfa_kit.clock import Clock, ManualClock
from liangfa_kit.errors import Precondition
from liangfa_kit.identity import Actor
from liangfa_kit.ids import UuidSequence
from liangfa_kit.messaging.broker import Broker
from liangfa_kit.messaging.consumer import Consumer
from liangfa_kit.messaging.events import Event
from liangfa_kit.messaging.lease import LEASE_SECONDS, Lease
from liangfa_kit.messaging.relay import Relay
from liangfa_kit.messaging.topics import Topic
from liangfa_kit.store.migrate import create_search_index
from liangfa_kit.store.opening import existing_store, postgres_place
from liangfa_kit.store.port import SearchIndex, Store
from liangfa_kit.store.postgres_schema import add_arrivals
from liangfa_kit.store.tables import kit_tables
from liangfa_kit.train import Train
from liangfa_kit.work import Call, Handler, Need, Work
from tests.servers.databases import database_of
from tests.servers.kafka.brokers import open_broker

metadata = sa.MetaData()
KIT = kit_tables(metadata)
tallies = sa.Table(
    "tallies",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("owner", sa.Text, index=True),
    sa.Column("is_open", sa.Boolean),
    sa.UniqueConstraint("note"),
)
TALLY_TEXT = SearchIndex("tally_text")

model_metadata = sa.MetaData()
MODEL_KIT = kit_tables(model_metadata)
seen = sa.Table(
    "seen",
    model_metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("events", sa.BigInteger, nullable=False),
    sa.Column("last_version", sa.BigInteger, nullable=False),
)

TOPIC = "liangfa.tally.v1"
CLERK = Actor(
    person_id="p1",
    person_name="某甲",
    agency_id="a1",
    agency_name="某局",
    agency_type="market",
    region="420111",
    roles=frozenset({"officer"}),
)
START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


@dataclass(frozen=True)
class RaiseTally:
    """Add `by` to the tally `name`; `at_version` is what the caller read, -1 when it did not."""

    name: str
    by: int = 1
    at_version: int = -1
    note: str | None = None


def raise_tally(command: RaiseTally, work: Work) -> Int64Value:
    """Add to a tally, making it if need be. Reaching 1,000,000 is refused."""
    stream = f"tally/{command.name}"
    if command.at_version >= 0:
        work.expect(stream, command.at_version)
    row = work.row(tallies, command.name) or {"name": command.name, "total": 0}
    total = row["total"] + command.by
    if total >= 1_000_000:
        raise Precondition("A tally ends at a million.", reason="TALLY_FULL", total=total)
    if command.by < 0:
        raise ZeroDivisionError("a bug, for the tests")
    work.save(tallies, {**row, "total": total, "note": command.note, "owner": work.actor.person_id, "is_open": True})
    event = Struct()
    event.update({"name": command.name, "by": command.by, "total": total})
    work.record(stream, event)
    return Int64Value(value=total)


RAISE = Handler(
    "RaiseTally",
    raise_tally,
    Int64Value,
    needs=lambda c: (Need(tallies, "name", (c.name,)),),
    streams=lambda c: (f"tally/{c.name}",),
)


class SeenTallies:
    """The read model of the tests: what a consumer makes of the events."""

    tables: Sequence[sa.Table] = (seen,)

    def __init__(self) -> None:
        self.poison: set[int] = set()

    def needs(self, event: Event) -> Sequence[Need]:
        return (Need(seen, "name", (event.stream,)),)

    def streams(self, event: Event) -> Sequence[str]:
        return ()

    def handle(self, event: Event, work: Work) -> None:
        message: Any = event.message
        by = int(message["by"])
        if by in self.poison:
            raise ValueError(f"cannot digest {by}")
        row = work.row(seen, event.stream) or {"name": event.stream, "total": 0, "events": 0, "last_version": 0}
        if event.version != row["last_version"] + 1:
            raise AssertionError(f"{event.stream} jumped from {row['last_version']} to {event.version}")
        changed = {"total": row["total"] + by, "events": row["events"] + 1, "last_version": event.version}
        work.save(seen, {**row, **changed})


@dataclass
class Tally:
    """One running tally service: its store, train and relay."""

    store: Store
    train: Train
    board: Board
    clock: Clock

    async def raise_(self, name: str, by: int = 1, **rest: Any) -> int:
        call = Call(
            rest.pop("actor", CLERK),
            request_id=rest.pop("request_id", None),
            fingerprint=rest.pop("fingerprint", b""),
        )
        reply = await self.train.execute(RAISE, RaiseTally(name, by, **rest), call)
        return reply.value

    def relay(self, broker: Broker, lease: Lease | None = None) -> Relay:
        return Relay(self.store, KIT, self.train, broker, source="tally", topic=TOPIC, lease=lease)

    def lease(self, clock: Clock | None = None, seconds: float = LEASE_SECONDS) -> Lease:
        return Lease(self.store, KIT, self.train, clock or self.clock, TOPIC, seconds=seconds)

    async def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        query = sa.select(table).order_by(*table.primary_key.columns)
        found = await self.store.read(lambda connection: connection.execute(query).mappings().all())
        return [dict(row) for row in found]


def create_tables(path: Path, of: sa.MetaData) -> None:
    """Make the toy tables (real services run migrations)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = admin_engine(path)
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{path.stem}"')
        of.create_all(connection)
        create_search_index(connection, TALLY_TEXT)
        if connection.dialect.name == "postgresql":
            add_arrivals(connection)
    engine.dispose()


def admin_engine(path: Path) -> sa.Engine:
    """Return an engine that may do anything to the database that `open_store(path, …)` opens."""
    if place := postgres_place(database_of(path.parent), path.stem):
        return sa.create_engine("postgresql+psycopg://", creator=lambda: place.connect("test"))
    return sa.create_engine(f"sqlite+pysqlite:///{path}")


def open_store(path: Path, of: sa.MetaData) -> Store:
    """Open the toy database: the file `path`, or the schema of its name when the test is on PostgreSQL."""
    made = path.with_suffix(".made")
    if not made.exists():
        create_tables(path, of)
        made.touch()
    return existing_store(database_of(path.parent), path.stem, path)


@asynccontextmanager
async def running(store: Store, *, clock: Clock | None = None, of: Any = KIT) -> AsyncIterator[Tally]:
    clock = clock or ManualClock(START)
    board = Board(of, clock, UuidSequence(clock))
    train = Train(store, board)
    train.start()
    try:
        yield Tally(store, train, board, clock)
    finally:
        train.stop()


@asynccontextmanager
async def tally_service(folder: Path, clock: Clock | None = None) -> AsyncIterator[Tally]:
    with closing(open_store(folder / "tally.sqlite3", metadata)) as store:
        async with running(store, clock=clock) as tally:
            yield tally


@asynccontextmanager
async def model_service(
    folder: Path, broker: Broker, reactions: SeenTallies | None = None, limit: int = 100, batch_size: int = 500
) -> AsyncIterator[tuple[Tally, Consumer]]:
    with closing(open_store(folder / "model.sqlite3", model_metadata)) as store:
        async with running(store, of=MODEL_KIT) as model:
            consumer = Consumer(
                "seen",
                store=store,
                tables=MODEL_KIT,
                train=model.train,
                broker=broker,
                clock=model.clock,
                topics=[TOPIC],
                reactions=reactions or SeenTallies(),
                limit=limit,
                batch_size=batch_size,
            )
            yield model, consumer


def tally_broker(folder: Path) -> Broker:
    """Return the broker of a test in `folder`: the local log, or Kafka with several partitions."""
    return open_broker(folder, (Topic(TOPIC, owner="tally", partitions=3),))


async def kept_up(work: Callable[[], Awaitable[None]], troubles: list[Exception]) -> None:
    """Start background work again when it fails, as hosting does; what it failed of is kept for the test's report."""
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - hosting restarts whatever failed
            troubles.append(error)
            await asyncio.sleep(0.1)
