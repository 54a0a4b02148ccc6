"""A database whose event log is a new one: everything is published again, nothing is applied again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from liangfa_kit.messaging.local import LocalBroker
from liangfa_kit.store.copying import begin_log_anew, copy_database
from tests.tally import KIT, MODEL_KIT, model_service, seen, tally_service


@pytest.mark.asyncio
@pytest.mark.usefixtures("every_database")
async def test_a_new_log_is_made_of_the_journal_and_goes_on_where_the_models_are(tmp_path: Path) -> None:
    """Of 40 events the model has applied 25 when the log is lost: the other 15 and 10 new ones are applied, once each."""
    old, new = LocalBroker(tmp_path / "old.sqlite3"), LocalBroker(tmp_path / "new.sqlite3")
    async with tally_service(tmp_path) as tally:
        async with model_service(tmp_path, old) as (_, consumer):
            for number in range(25):
                await tally.raise_(f"t{number % 4}", number)
            await tally.relay(old).drain()
            assert await consumer.drain() == 25
        for number in range(25, 40):
            await tally.raise_(f"t{number % 4}", number)
        await tally.relay(old).drain()
        begin_log_anew(tally.store, KIT)
        async with model_service(tmp_path, new) as (model, consumer):
            begin_log_anew(model.store, MODEL_KIT)
            for number in range(40, 50):
                await tally.raise_(f"t{number % 4}", number)
            await tally.relay(new).drain()
            assert await consumer.drain() == 25
            rows = await model.rows(seen)
            assert sum(row["events"] for row in rows) == 50
            assert sum(row["total"] for row in rows) == sum(range(50))
            assert await consumer.set_aside() == []
    await old.close()
    await new.close()


@pytest.mark.parametrize("name", ["两法 数据", "data#2", "what?", "100%25", "%2e"])
def test_a_database_is_copied_from_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    """SQLite is given an address, in which some characters mean something; nothing is made where they would lead."""
    source, target = tmp_path / name / "a.sqlite3", tmp_path / f"copy {name}" / "a.sqlite3"
    source.parent.mkdir()
    with closing(sqlite3.connect(source)) as connection, connection:
        connection.execute("CREATE TABLE kept (value TEXT)")
        connection.execute("INSERT INTO kept VALUES ('x')")
    copy_database(source, target)
    with closing(sqlite3.connect(target)) as connection:
        assert connection.execute("SELECT value FROM kept").fetchall() == [("x",)]
    assert {path.name for path in tmp_path.iterdir()} == {name, f"copy {name}"}
