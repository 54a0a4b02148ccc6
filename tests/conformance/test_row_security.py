"""The second fence: what PostgreSQL shows and takes when a query forgets whose rows it may see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from liangfa_enforcement_record.authority import visible_rows
from liangfa_enforcement_record.commands import case_commands as commands
from liangfa_enforcement_record.tables import cases, party_records, steps
from liangfa_enforcement_record.wiring import NAME
from liangfa_kit.context import CallContext, serving
from liangfa_kit.identity import Actor
from liangfa_kit.settings import Database
from liangfa_kit.store.opening import open_store
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from tests.enforcement import MIGRATIONS, OFFICER, STRANGER, Record, actor, case, running_on
from tests.servers.databases import database_of

pytestmark = pytest.mark.usefixtures("on_postgres")
NEIGHBOUR = actor("officer", agency="market-wuchang", region="420106", person="p6")
CITY = actor("procurator", agency="procuratorate-wuhan", region="420100", person="p7")
DISTRICT = actor("procurator", agency="procuratorate-hongshan", person="p8")
_ROLE = "liangfa_test_fenced"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A database whose one role owns the schema and is no superuser: as an operator sets it up."""
    database = database_of(tmp_path)
    given = conninfo_to_dict(database.url.get_secret_value())
    with psycopg.connect(database.url.get_secret_value(), autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (_ROLE,)).fetchone():
            with suppress(psycopg.IntegrityError, psycopg.errors.DuplicateObject):  # another worker's test made it
                connection.execute(f"CREATE ROLE {_ROLE} LOGIN")
        connection.execute(f'GRANT CREATE ON DATABASE "{given["dbname"]}" TO {_ROLE}')
    url = f"postgresql://{_ROLE}@{given['host']}:{given['port']}/{given['dbname']}"
    return database.model_copy(update={"url": SecretStr(url), "reader_count": 1})


@asynccontextmanager
async def three_cases(database: Database) -> AsyncIterator[tuple[Record, list[str]]]:
    """A record with a case of each of three agencies, the last one in another district."""
    store = open_store(database, NAME, Path("unused"), MIGRATIONS, visible_rows)
    try:
        async with running_on(store) as record:
            keys = []
            for by in (OFFICER, STRANGER, NEIGHBOUR):
                keys.append((await record.register(case(), by)).case.id)
                act = pb.Step(kind="现场检查", description="查看后厨。", officers=["某甲", "某乙"])
                act.done_at.FromDatetime(record.clock.now())
                await record.do(record.handlers.step, commands.RecordStep(keys[-1], act), by)
            yield record, keys
    finally:
        store.close()


async def seen(record: Record, by: Actor | None, column: sa.Column[str]) -> set[str]:
    """Return what a query without any condition shows to `by`; None calls without being known."""
    call = CallContext("/test")
    call.actor = by
    with serving(call):
        return set(await record.store.read(lambda c: c.execute(sa.select(column)).scalars().all()))


def test_a_query_that_forgets_its_condition_shows_the_callers_own_rows_alone(database: Database) -> None:
    """Cases, parties and steps; one connection serves one caller after the other, and keeps nothing of the last one."""

    async def scenario() -> None:
        async with three_cases(database) as (record, keys):
            own, other, far = keys
            for by, expected in (
                (OFFICER, {own}),
                (STRANGER, {other}),
                (None, set()),
                (NEIGHBOUR, {far}),
                (DISTRICT, {own, other}),
                (actor("officer", agency="nobody"), set()),
                (CITY, set(keys)),
                (actor("operator"), set()),
            ):
                for column in (cases.c.id, party_records.c.case_id, steps.c.case_id):
                    assert await seen(record, by, column) == expected, (by, str(column))

    asyncio.run(scenario())


def test_the_services_own_work_sees_everything(database: Database) -> None:
    """Outside of a call: background work. The writer does too, since a party's cases at other agencies count."""

    async def scenario() -> None:
        async with three_cases(database) as (record, keys):
            assert {row["id"] for row in await record.rows(cases)} == set(keys)
            with record.store.transaction() as tx:
                assert len(tx.load(cases, "id", keys)) == 3

    asyncio.run(scenario())


@contextmanager
def logged_in(
    database: Database, scope: str = "", within: str = ""
) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Log in as the owner of the tables, in the transaction that is rolled back at the end."""
    options = f"-c search_path={NAME}"
    with psycopg.connect(database.url.get_secret_value(), options=options) as connection:
        if scope:
            connection.execute(
                "SELECT set_config('liangfa.scope', %s, true), set_config('liangfa.within', %s, true)", (scope, within)
            )
        yield connection
        connection.rollback()


def test_the_owner_of_the_tables_is_fenced_too(database: Database) -> None:
    """FORCE: who says nothing sees nothing, and an agency changes, adds and removes its own rows alone."""

    async def fill() -> list[str]:
        async with three_cases(database) as (_, keys):
            return keys

    own, other, _ = asyncio.run(fill())
    for table in ("cases", "party_records", "steps", "evidence"):
        with logged_in(database) as connection:
            assert connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)
    with logged_in(database, "agency", OFFICER.agency_id) as connection:
        assert connection.execute("UPDATE cases SET title = 'x' RETURNING id").fetchall() == [(own,)]
        assert connection.execute("DELETE FROM party_records RETURNING case_id").fetchall() == [(own,)]
    with logged_in(database, "region", "420111") as connection:
        assert connection.execute("UPDATE cases SET title = 'x'").rowcount == 0, "who reads a region changes nothing"
    stolen = "UPDATE cases SET agency_id = 'ecology-hongshan'"
    foreign = f"INSERT INTO steps (id, case_id, done_at, body) VALUES ('s', '{other}', 0, '')"
    for statement in (stolen, foreign):
        with (
            logged_in(database, "agency", OFFICER.agency_id) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement.encode())
