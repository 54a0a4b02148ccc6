"""One command's impossible value is its own misfortune: neighbours, listeners and files do not suffer."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from liangfa_kit.errors import Exhausted
from liangfa_kit.logs import CanonicalLog
from liangfa_kit.objects import FolderStore, OffsetMismatch
from liangfa_kit.store.migrate import migrate, sqlite_url
from liangfa_kit.verify import journal_faults
from tests.tally import KIT, SeenTallies, model_service, seen, tally_broker, tally_service

pytestmark = pytest.mark.asyncio


async def test_a_value_that_no_column_holds_fails_its_own_command_only(tmp_path: Path) -> None:
    """The database refuses the whole train; the others go again without the culprit."""
    async with tally_service(tmp_path) as tally:
        commands = [tally.raise_(f"t{n}") for n in range(5)]
        poison = tally.raise_("poison", 1, note="\ud800")  # half a character: no database takes it
        outcomes = await asyncio.gather(*commands[:3], poison, *commands[3:], return_exceptions=True)
        assert [o for o in outcomes if not isinstance(o, Exception)] == [1] * 5
        assert sum(isinstance(o, UnicodeEncodeError) for o in outcomes) == 1
        assert list(journal_faults(tally.store, KIT)) == []


async def test_a_listener_that_fails_does_not_make_a_commit_look_refused(tmp_path: Path) -> None:
    """What is committed is answered as committed."""

    def broken(_entries: object) -> None:
        raise RuntimeError("the loop is gone")

    async with tally_service(tmp_path) as tally:
        tally.train.on_commit.append(broken)
        assert await tally.raise_("a") == 1
        assert await tally.raise_("a") == 2


async def test_a_disk_that_is_full_for_a_moment_is_no_events_fault(tmp_path: Path) -> None:
    """The consumer waits and tries again; nothing is set aside."""

    class FullOnce(SeenTallies):
        refusals = 5  # as many as halving twenty events down to one takes

    broker = tally_broker(tmp_path)
    reactions = FullOnce()
    async with tally_service(tmp_path) as tally, model_service(tmp_path, broker, reactions) as (model, consumer):
        for number in range(20):
            await tally.raise_(f"t{number}")
        await tally.relay(broker).drain()
        apply = model.board.apply

        def full(tx: object, batch: object) -> object:
            if reactions.refusals:
                reactions.refusals -= 1
                raise Exhausted("The disk is full.", reason="DISK_FULL")
            return apply(tx, batch)  # type: ignore[arg-type]  # passed on

        model.board.apply = full  # type: ignore[method-assign,assignment]  # the board stands for the disk here
        assert await consumer.drain() == 20
        assert await consumer.set_aside() == []
        assert len(await model.rows(seen)) == 20
    await broker.close()


async def test_a_replay_in_another_process_ends_the_waiting_in_this_one(tmp_path: Path) -> None:
    """An operator mends and replays beside the running platform: what comes later is applied, in order, and not set aside."""
    broker, reactions = tally_broker(tmp_path), SeenTallies()
    reactions.poison = {7}
    async with tally_service(tmp_path) as tally, model_service(tmp_path, broker, reactions) as (model, consumer):
        for by in (5, 7, 1):
            await tally.raise_("a", by)
        await tally.relay(broker).drain()
        await consumer.drain()
        aside = await consumer.set_aside()
        assert len(aside) == 2
        running = asyncio.create_task(consumer.run())
        async with model_service(tmp_path, broker) as (_, operator):
            await operator.replay(aside[0]["key"].partition("/")[2])
        await tally.raise_("a", 2)
        await tally.relay(broker).drain()
        async with asyncio.timeout(60):
            while not [row for row in await model.rows(seen) if row["total"] == 15]:
                await asyncio.sleep(0.01)
        assert await consumer.set_aside() == []
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await broker.close()


async def test_every_consumed_message_has_its_canonical_line(tmp_path: Path) -> None:
    """Type, entity, outcome and reason of each; poison says why."""
    lines: list[bytes] = []
    broker, reactions = tally_broker(tmp_path), SeenTallies()
    reactions.poison = {7}
    async with tally_service(tmp_path) as tally, model_service(tmp_path, broker, reactions) as (model, consumer):
        log = CanonicalLog(lines.append, model.clock)
        consumer.log_to(log)
        await tally.raise_("a", 5)
        await tally.raise_("b", 7)
        await tally.relay(broker).drain()
        await consumer.drain()
        log.flush()
    text = b"".join(lines).decode()
    assert text.count('"event":"consumed"') == 2
    assert '"entity":"tally/a","outcome":"OK"' in text
    assert '"entity":"tally/b","outcome":"SET_ASIDE","reason":"ValueError"' in text
    await broker.close()


async def test_bytes_that_arrive_late_never_reach_a_file_that_is_kept(tmp_path: Path) -> None:
    """A sender who connected twice writes on while the first one's file is checked and moved away."""
    objects, content = FolderStore(tmp_path), b"the whole file"
    sha256 = hashlib.sha256(content).hexdigest()
    await objects.append("u1", 0, content[:5])
    arriving = tmp_path / "arriving" / "u1"
    with arriving.open("r+b") as other:  # another process completes and keeps the file meanwhile
        fcntl.flock(other, fcntl.LOCK_EX)
        late = asyncio.create_task(objects.append("u1", 5, b"!" * 20))
        while _openings(arriving) < 2 and arriving.stat().st_size == 5:  # until the late piece knocks
            await asyncio.sleep(0)
        await asyncio.to_thread(_completed, other, arriving, tmp_path / "kept" / sha256[:2] / sha256, content)
        fcntl.flock(other, fcntl.LOCK_UN)
        with pytest.raises(OffsetMismatch):
            await late
    assert b"".join([piece async for piece in objects.read(sha256)]) == content


def _openings(path: Path) -> int:
    """Return how many open files of this process are the one at `path`."""
    return sum(os.path.realpath(link) == str(path.resolve()) for link in Path("/proc/self/fd").iterdir())


def _completed(file: object, arriving: Path, kept: Path, content: bytes) -> None:
    kept.parent.mkdir(parents=True)
    file.seek(0)  # type: ignore[attr-defined]  # a file
    file.write(content)  # type: ignore[attr-defined]  # a file
    file.flush()  # type: ignore[attr-defined]  # a file
    arriving.replace(kept)


async def test_a_folder_with_a_percent_sign_in_its_name_is_migrated(tmp_path: Path) -> None:
    """Somebody keeps releases under names like 100%."""
    import shutil

    import liangfa_supervision

    versions = tmp_path / "100%"
    shutil.copytree(Path(liangfa_supervision.__file__).parent / "migrations", versions)
    url = sqlite_url(tmp_path / "a.sqlite3")
    migrate(url, versions)
    engine = sa.create_engine(url)
    assert "journal" in sa.inspect(engine).get_table_names()
    engine.dispose()
