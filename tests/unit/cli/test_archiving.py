"""`liangfa archive` writes the journals out, and sees what a hash chain alone does not: a journal that was written anew."""

from __future__ import annotations

import asyncio
import gzip
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from liangfa_cli.archiving import archive, compared
from liangfa_cli.main import app
from liangfa_enforcement_record.wiring import database_path
from liangfa_kit import archive as kit_archive
from liangfa_kit.archive import ArchiveBroken, ArchiveDiffers, alone, archived, segments
from liangfa_kit.errors import Precondition
from liangfa_kit.journal import Entry, recomputed_hash
from liangfa_kit.settings import PlatformSettings, Storage
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as rpc
from tests.enforcement import case
from tests.enforcement_service import running_service

NAME = "enforcement_record"


async def _registered(folder: Path, *numbers: int) -> None:
    async with running_service(folder) as service:
        for number in numbers:
            wanted = case(narrative=f"第{number}件：货架上有过期奶粉三罐。")
            await service.cases().RegisterCase(rpc.RegisterCaseRequest(request_id=f"c{number}", case=wanted))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    asyncio.run(_registered(data, 1, 2, 3))
    return data


def settings(folder: Path) -> PlatformSettings:
    return PlatformSettings(storage=Storage(folder=folder))


def faults(folder: Path, target: Path) -> set[str]:
    return {fault.rule for part in compared(settings(folder), target) for fault in part.faults}


@contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(database_path(folder))) as connection, connection:
        yield connection


def test_only_what_is_new_is_added_and_nothing_is_touched_again(folder: Path, tmp_path: Path) -> None:
    """A second run adds what came since, in a file of its own; a third adds nothing."""
    target = tmp_path / "archive"
    (first,) = archive(settings(folder), target)
    before = {path.name: path.read_bytes() for path in (target / NAME).iterdir()}
    asyncio.run(_registered(folder, 4))
    (second,) = archive(settings(folder), target)
    (third,) = archive(settings(folder), target)
    assert (first.added, second.added > 0, third.added) == (first.last, True, 0)
    assert (third.last, third.hash) == (second.last, second.hash)
    assert {name: (target / NAME / name).read_bytes() for name in before} == before
    assert [entry.position for entry in archived(target / NAME)] == list(range(1, third.last + 1))
    assert faults(folder, target) == set()


def test_large_journals_are_written_in_several_segments(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is named by its positions, and they go on from each other."""
    monkeypatch.setattr(kit_archive, "SEGMENT_ENTRIES", 2)
    target = tmp_path / "archive"
    (done,) = archive(settings(folder), target)
    found = segments(target / NAME)
    assert [one.first for one in found] == list(range(1, done.last + 1, 2))
    assert faults(folder, target) == set()


def test_a_journal_that_was_written_anew_with_a_fitting_chain_is_found(folder: Path, tmp_path: Path) -> None:
    """The payload, its hash and the stream's head are all made to fit: the chain is whole, and yet another one."""
    target = tmp_path / "archive"
    list(archive(settings(folder), target))
    last = list(archived(target / NAME))[-1]
    forged = _forged(last)
    with database(folder) as connection:
        connection.execute(
            "UPDATE journal SET payload = ?, hash = ? WHERE position = ?", (forged.payload, forged.hash, last.position)
        )
        connection.execute("UPDATE streams SET hash = ? WHERE stream = ?", (forged.hash, last.stream))
    runner = CliRunner()
    verified = runner.invoke(app, ["verify", "--folder", str(folder)])
    assert (verified.exit_code, "intact" in verified.output) == (0, True)
    checked = runner.invoke(app, ["archive", str(target), "--folder", str(folder), "--check"])
    assert (checked.exit_code, "ENTRY_DIFFERS" in checked.output) == (1, True)
    with pytest.raises(ArchiveDiffers):
        list(archive(settings(folder), target))


def _forged(entry: Entry) -> Entry:
    changed = entry._replace(payload=entry.payload + b"\x00")
    return changed._replace(hash=recomputed_hash(changed))


def test_a_journal_that_lost_its_end_is_found(folder: Path, tmp_path: Path) -> None:
    """As after a restore from an older backup: nothing is added over it."""
    target = tmp_path / "archive"
    (done,) = archive(settings(folder), target)
    with database(folder) as connection:
        connection.execute("DELETE FROM journal WHERE position = ?", (done.last,))
    assert faults(folder, target) == {"ENTRY_LOST"}
    with pytest.raises(ArchiveDiffers):
        list(archive(settings(folder), target))


def test_a_changed_archive_is_found_too(folder: Path, tmp_path: Path) -> None:
    """By its own chain, and against the journal."""
    target = tmp_path / "archive"
    list(archive(settings(folder), target))
    (segment,) = segments(target / NAME)
    lines = gzip.decompress(segment.path.read_bytes()).splitlines()
    lines[0] = orjson.dumps({**orjson.loads(lines[0]), "actor": "{}"})
    segment.path.chmod(0o600)
    segment.path.write_bytes(gzip.compress(b"\n".join(lines) + b"\n"))
    assert faults(folder, target) == {"HASH_MISMATCH", "ENTRY_DIFFERS"}


@pytest.mark.parametrize("damage", ["cut", "gone", "words"])
def test_a_damaged_archive_is_refused_and_nothing_is_added(folder: Path, tmp_path: Path, damage: str) -> None:
    """A file that is cut short, missing or no archive: the refusal names it."""
    target = tmp_path / "archive"
    list(archive(settings(folder), target))
    asyncio.run(_registered(folder, 4))
    list(archive(settings(folder), target))
    first, last = segments(target / NAME)
    last.path.chmod(0o600)
    if damage == "cut":
        last.path.write_bytes(last.path.read_bytes()[:-20])
    elif damage == "words":
        last.path.write_bytes(gzip.compress(b'{"position": 1}\n'))
    else:
        first.path.unlink()
    asyncio.run(_registered(folder, 5))
    with pytest.raises(ArchiveBroken):
        list(archive(settings(folder), target))


def test_two_do_not_write_one_archive(folder: Path, tmp_path: Path) -> None:
    """The second is told to wait."""
    with alone(tmp_path / "archive"), pytest.raises(Precondition) as refused:
        list(archive(settings(folder), tmp_path / "archive"))
    assert refused.value.reason == "ARCHIVE_BUSY"
