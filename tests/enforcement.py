"""Builders for the tests of enforcement_record: people, cases, and the service's database with its train."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

import liangfa_enforcement_record
from liangfa_enforcement_record.commands import case_commands as commands
from liangfa_enforcement_record.commands.case_commands import CaseCommands
from liangfa_enforcement_record.screening import CaseScreening
from liangfa_enforcement_record.tables import KIT, cases
from liangfa_enforcement_record.wiring import NAME
from liangfa_kit.boarding import Board
from liangfa_kit.clock import ManualClock
from liangfa_kit.identity import Actor
from liangfa_kit.ids import UuidSequence
from liangfa_kit.store.migrate import migrate, sqlite_url
from liangfa_kit.store.opening import open_store
from liangfa_kit.store.port import Store
from liangfa_kit.store.sqlite import SqliteStore
from liangfa_kit.train import Train
from liangfa_kit.work import Call, Handler
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import events_pb2
from liangfa_protos.standards.v1 import values_pb2
from tests.servers.databases import database_of

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
MIGRATIONS = Path(liangfa_enforcement_record.__file__).parent / "migrations"
USCC, OTHER_USCC = "91420111MA4KL00A9P", "91420100MA4KL00B7L"
RESIDENT_ID = "11010519491231002X"
CRIME = "当事人销售假冒注册商标的白酒，销售金额共计8万元，现场查获尚未销售的同款白酒货值金额3万元。"
HARMLESS = "当事人未按规定在店堂显著位置悬挂营业执照，经责令后已改正。"


def actor(*roles: str, agency: str = "market-hongshan", region: str = "420111", person: str = "p1") -> Actor:
    return Actor(
        person_id=person,
        person_name="某甲",
        agency_id=agency,
        agency_name="武汉市洪山区市场监督管理局",
        agency_type="market",
        region=region,
        roles=frozenset(roles),
    )


OFFICER, HEAD, LEGAL = actor("officer"), actor("agency_head", person="p2"), actor("legal_reviewer", person="p3")
STRANGER = actor("officer", agency="ecology-hongshan", person="p4")
PROCURATOR = actor("procurator", agency="procuratorate-hongshan", person="p5")


def party(name: str = "武汉市洪山区红星商贸有限公司", **rest: Any) -> pb.Party:
    return pb.Party(name=name, kind=rest.pop("kind", values_pb2.PARTY_KIND_ORG), **rest)


def decision(number: str = "洪市监处罚〔2026〕12号", **rest: Any) -> pb.Decision:
    given: dict[str, Any] = {
        "decided_on": "2026-03-01",
        "content": "罚款20000元",
        "fine_yuan": "20000",
        "categories": ["fine"],
    }
    return pb.Decision(document_number=number, **(given | rest))


def case(**rest: Any) -> pb.Case:
    given: dict[str, Any] = {
        "cause": "未按规定悬挂营业执照",
        "narrative": HARMLESS,
        "source": pb.SOURCE_OWN_DISCOVERY,
        "procedure": pb.PROCEDURE_GENERAL,
        "handlers": ["某甲", "某乙"],
        "parties": [party()],
    }
    return pb.Case(**(given | rest))


@lru_cache(maxsize=1)
def screening() -> CaseScreening:
    """The rule library takes a moment to compile: once for all tests."""
    return CaseScreening()


@dataclass
class Record:
    """A running record: commands go in as `do`, what came of them is read back."""

    store: Store
    train: Train
    clock: ManualClock
    handlers: CaseCommands = field(default_factory=lambda: CaseCommands(screening()))

    async def do(self, handler: Handler[Any, Any], command: Any, by: Actor = OFFICER, request_id: str = "") -> Any:
        return await self.train.execute(handler, command, Call(by, request_id or None))

    async def register(self, entered: pb.Case | None = None, by: Actor = OFFICER, **rest: Any) -> Any:
        entered = entered if entered is not None else case(**rest)
        return await self.do(self.handlers.register, commands.RegisterCase(entered, by.region, by.agency_id), by)

    async def stored(self, case_id: str) -> pb.Case:
        query = sa.select(cases.c.body).where(cases.c.id == case_id)
        body: bytes = await self.store.read(lambda c: c.execute(query).scalar_one())
        return pb.Case.FromString(body)

    async def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        query = sa.select(table).order_by(*table.primary_key.columns)
        found = await self.store.read(lambda connection: connection.execute(query).mappings().all())
        return [dict(row) for row in found]

    async def events(self, stream: str = "") -> list[Any]:
        """Return the journalled events, of one stream or of all, as messages in order."""
        entries = await self.rows(KIT.journal)
        return [_event(row) for row in entries if not stream or row["stream"] == stream]

    async def event_names(self, stream: str = "") -> list[str]:
        return [type(event).__name__ for event in await self.events(stream)]


def _event(row: dict[str, Any]) -> Any:
    return getattr(events_pb2, row["type"].rpartition(".")[2]).FromString(row["payload"])


@lru_cache(maxsize=1)
def _empty_database() -> bytes:
    """Return an empty migrated database: migrating once and copying keeps hundreds of tests fast."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.sqlite3"
        migrate(sqlite_url(path), MIGRATIONS)
        with closing(sqlite3.connect(path)) as connection:
            return connection.serialize()  # not the file's bytes: some of the database may still be in the WAL


def new_database(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_empty_database())
    return path


def new_store(folder: Path) -> Store:
    """Open an empty migrated database: SQLite, or PostgreSQL when the test is on it."""
    database, path = database_of(folder), folder / "records.sqlite3"
    if database.url.get_secret_value():
        return open_store(database, NAME, path, MIGRATIONS)
    return SqliteStore(new_database(path))


@asynccontextmanager
async def running_record(folder: Path) -> AsyncIterator[Record]:
    store = new_store(folder)
    try:
        async with running_on(store) as record:
            yield record
    finally:
        store.close()


@asynccontextmanager
async def running_on(store: Store) -> AsyncIterator[Record]:
    """Run commands on a database that somebody else closes."""
    clock = ManualClock(START)
    train = Train(store, Board(KIT, clock, UuidSequence(clock)))
    train.start()
    try:
        yield Record(store, train, clock)
    finally:
        train.stop()
