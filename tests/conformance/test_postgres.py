"""What only PostgreSQL can do to a service: restart, undo, time out, refuse. And two writers of one schema."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from liangfa_kit.errors import Precondition, Unavailable
from liangfa_kit.store.opening import open_store as open_store_of
from liangfa_kit.store.opening import postgres_place
from liangfa_kit.store.place import PostgresPlace
from liangfa_kit.store.port import Transaction
from liangfa_kit.store.postgres import PostgresStore
from liangfa_kit.store.postgres_schema import migrate_postgres
from liangfa_kit.verify import journal_faults
from tests.enforcement import MIGRATIONS, case, running_on
from tests.servers.databases import database_of, database_url, drop_databases
from tests.tally import KIT, metadata, open_store, running, tallies, tally_service

pytestmark = pytest.mark.usefixtures("on_postgres")


@pytest.fixture
def place(tmp_path: Path) -> PostgresPlace:
    open_store(tmp_path / "tally.sqlite3", metadata).close()
    found = postgres_place(database_of(tmp_path), "tally")
    assert found is not None
    return found


@pytest.fixture
def store(place: PostgresPlace) -> Iterator[PostgresStore]:
    store = PostgresStore(place)
    yield store
    store.close()


def sever(place: PostgresPlace, purpose: str) -> int:
    """End the server's side of the connections of `purpose`, as a restart does; return how many there were."""
    query = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = %s"
    )
    with place.connect("test") as connection:
        row = connection.execute(query, (f"liangfa tally {purpose}",)).fetchone()
        assert row is not None
        return int(row[0])


def count(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(tallies)).scalar_one())


def fail_with(tx: Transaction, state: str) -> None:
    """Let the server itself raise an error of class `state` inside the transaction."""
    connection: psycopg.Connection[object] = tx._connection  # type: ignore[attr-defined]
    connection.execute(f"DO $$ BEGIN RAISE EXCEPTION 'so' USING ERRCODE = '{state}'; END $$".encode())


def test_a_connection_lost_between_transactions_is_made_again_unseen(
    store: PostgresStore, place: PostgresPlace
) -> None:
    """A restart of the server costs neither the next writer nor the next reader an error."""

    async def scenario() -> int:
        with store.transaction() as tx:
            tx.insert(tallies, [{"name": "a", "total": 1}])
        assert await store.read(count) == 1
        assert sever(place, "writer") + sever(place, "reader") >= 2
        with store.transaction() as tx:
            tx.insert(tallies, [{"name": "b", "total": 1}])
        return await store.read(count)

    assert asyncio.run(scenario()) == 2


def test_a_connection_lost_within_a_transaction_is_told_and_nothing_is_written(
    store: PostgresStore, place: PostgresPlace
) -> None:
    """The caller reads what to do; the next transaction has a new connection."""
    with pytest.raises(Unavailable) as refused, store.transaction() as tx:
        tx.insert(tallies, [{"name": "a", "total": 1}])
        assert sever(place, "writer") == 1
        tx.load(tallies, "name", ["a"])
    assert refused.value.reason == "DATABASE_UNAVAILABLE"
    with store.transaction() as tx:
        assert tx.load(tallies, "name", ["a", "b"]) == []


def test_a_connection_lost_while_committing_leaves_the_outcome_open_and_says_so(
    store: PostgresStore, place: PostgresPlace
) -> None:
    """Nobody is told that nothing was written when nobody knows."""
    with pytest.raises(Unavailable) as refused, store.transaction() as tx:
        tx.insert(tallies, [{"name": "a", "total": 1}])
        sever(place, "writer")
    assert refused.value.reason == "COMMIT_OUTCOME_UNKNOWN"
    assert "request id" in refused.value.remedy


def test_a_server_that_is_away_is_unavailable_to_writers_and_readers() -> None:
    """With a reason, at once."""
    store = PostgresStore(PostgresPlace("host=127.0.0.1 port=1 dbname=nowhere", "tally"))
    with pytest.raises(Unavailable, match="reached"), store.transaction():
        raise AssertionError("not reached")
    with pytest.raises(Unavailable, match="reached"):
        asyncio.run(store.read(count))
    store.close()


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_a_transaction_that_the_database_undoes_is_run_again_whole(tmp_path: Path, state: str) -> None:
    """Serialisation failures and deadlocks are nobody's answer."""

    async def scenario() -> list[str]:
        tries: list[str] = []

        def change(tx: Transaction) -> None:
            tries.append(state)
            tx.insert(tallies, [{"name": f"try {len(tries)}", "total": 1}])
            if len(tries) < 3:
                fail_with(tx, state)

        async with tally_service(tmp_path) as tally:
            await tally.train.write(change)
            return [row["name"] for row in await tally.rows(tallies)]

    assert asyncio.run(scenario()) == ["try 3"]


def test_a_transaction_that_is_undone_again_and_again_ends_with_an_answer(tmp_path: Path) -> None:
    """Retrying is bounded."""

    async def scenario() -> None:
        async with tally_service(tmp_path) as tally:
            await tally.train.write(lambda tx: fail_with(tx, "40001"))

    with pytest.raises(Unavailable) as refused:
        asyncio.run(scenario())
    assert refused.value.reason == "DATABASE_CONTENDED"


def test_a_writer_waits_for_another_and_gives_up_in_bounded_time(store: PostgresStore, place: PostgresPlace) -> None:
    """One transaction at a time has the schema, whichever process it is of."""
    hurried = PostgresStore(PostgresPlace(place.conninfo, "tally", lock_seconds=0.2))
    with store.transaction():
        with pytest.raises(Unavailable) as refused, hurried.transaction():
            raise AssertionError("not reached")
        assert refused.value.reason == "DATABASE_TOO_SLOW"
    with hurried.transaction() as tx:
        assert tx.lock_counter("journal") == 0
    hurried.close()


def test_both_ends_of_a_connection_give_a_silent_one_up(place: PostgresPlace) -> None:
    """A cut line closes nothing; by the system's own settings we would wait for minutes, the server for hours."""
    patient = PostgresPlace(place.conninfo, "tally", silence_seconds=12)
    with patient.connect("test") as connection, socket.socket(fileno=os.dup(connection.fileno())) as ours:
        names = ("TCP_USER_TIMEOUT", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
        assert [ours.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names] == [12_000, 12, 4, 3]
        theirs = ("tcp_user_timeout", "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
        row = connection.execute("SELECT " + ", ".join(f"current_setting('{name}')" for name in theirs)).fetchone()
        assert row == ("12000", "12", "4", "3")


def test_a_statement_that_takes_too_long_is_ended(place: PostgresPlace) -> None:
    """A reader is told to narrow its search."""
    hurried = PostgresStore(PostgresPlace(place.conninfo, "tally", statement_seconds=0.2))
    with pytest.raises(Unavailable) as refused:
        asyncio.run(hurried.read(lambda connection: connection.execute(sa.select(sa.func.pg_sleep(5))).scalar()))
    assert refused.value.reason == "DATABASE_TOO_SLOW"
    hurried.close()


def test_what_one_writer_has_committed_the_next_one_finds_also_what_it_looked_for_in_vain(
    place: PostgresPlace,
) -> None:
    """Two writers that both add a row unless there is one never make two: the second waits, and then finds the first's."""
    both_ready = threading.Barrier(2)

    def add_unless_there(name: str) -> None:
        store = PostgresStore(place)
        both_ready.wait()
        with store.transaction() as tx:
            if not tx.load(tallies, "owner", ["p1"]):
                tx.insert(tallies, [{"name": name, "total": 1, "owner": "p1"}])
        store.close()

    threads = [threading.Thread(target=add_unless_there, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = PostgresStore(place)
    with store.reading() as connection:
        assert count(connection) == 1
    store.close()


def test_positions_of_two_busy_instances_leave_no_gap(tmp_path: Path) -> None:
    """Each position is handed out once, under the lock that is held to the commit."""

    async def scenario() -> list[int]:
        async with tally_service(tmp_path) as one:
            other = open_store(tmp_path / "tally.sqlite3", metadata)
            async with running(other) as two:
                await asyncio.gather(*(tally.raise_(f"t{n % 7}") for n in range(100) for tally in (one, two)))
            other.close()
            assert list(journal_faults(one.store, KIT)) == []
            return [entry["position"] for entry in await one.rows(KIT.journal)]

    assert asyncio.run(scenario()) == list(range(1, 201))


def test_a_service_whose_schema_another_owns_can_work_and_cannot_rewrite_its_journal(tmp_path: Path) -> None:
    """The second fence: even the service's own password changes neither the journal nor the schema."""
    database = database_of(tmp_path)
    owner_url = database.url.get_secret_value()
    with psycopg.connect(owner_url, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'liangfa_test_record'").fetchone():
            with suppress(psycopg.IntegrityError, psycopg.errors.DuplicateObject):  # another worker's test made it
                connection.execute("CREATE ROLE liangfa_test_record LOGIN")
    url = make_conninfo(owner_url, user="liangfa_test_record")
    given = conninfo_to_dict(url)
    service_url = f"postgresql://{given['user']}@{given['host']}:{given['port']}/{given['dbname']}"
    database = database.model_copy(update={"owner_url": database.url, "url": SecretStr(service_url)})

    async def scenario() -> None:
        for _ in range(2):  # starting again changes nothing
            store = open_store_of(database, "enforcement_record", tmp_path / "unused", MIGRATIONS)
            async with running_on(store) as record:
                await record.register(case())
            store.close()

    asyncio.run(scenario())
    with psycopg.connect(service_url, autocommit=True, options="-c search_path=enforcement_record") as connection:
        assert connection.execute("SELECT count(*) FROM journal").fetchone() == (2,)
        for forbidden in (
            "UPDATE journal SET payload = ''",
            "DELETE FROM journal",
            "TRUNCATE journal",
            "TRUNCATE cases",
            "DROP TABLE journal",
            "ALTER TABLE journal DISABLE TRIGGER ALL",
            "CREATE TABLE enforcement_record.mine (x INT)",
            "UPDATE alembic_version SET version_num = '0'",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden.encode())


def test_a_database_that_does_not_order_text_by_code_points_is_refused(tmp_path: Path, postgres_server: str) -> None:
    """Pages and ranges of keys would go wrong in silence; the refusal says how to make a right one."""
    name = "liangfa_latin"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    found = postgres_place(
        database_of(tmp_path).model_copy(update={"url": SecretStr(database_url(postgres_server, name))}), "tally"
    )
    assert found is not None
    with pytest.raises(Precondition, match="code points") as refused:
        migrate_postgres(found, Path())
    assert "CREATE DATABASE" in refused.value.remedy
    drop_databases(postgres_server, name)
