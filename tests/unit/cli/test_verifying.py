"""`liangfa verify` reads what is stored: every journal entry, and every file that the journal names."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import closing
from pathlib import Path

import pytest

import liangfa_supervision.wiring as supervision_wiring
from liangfa_cli.journals import Checked, checked
from liangfa_enforcement_record.wiring import TOPIC
from liangfa_kit.clock import SystemClock
from liangfa_kit.messaging.local import LocalBroker
from liangfa_kit.settings import PlatformSettings, Storage
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as case_rpc
from liangfa_protos.enforcement_record.v1 import evidence_service_pb2 as rpc
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as import_rpc
from liangfa_supervision.tables import KIT as SUPERVISION_KIT
from tests.enforcement import case
from tests.enforcement_service import running_service

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TABLE = "行政相对人名称,违法行为类型,违法事实,处罚类别,处罚内容,罚款金额（万元）,处罚决定日期\n".encode()


async def _recorded(folder: Path) -> None:
    """Attach one file of evidence and import one table."""
    async with running_service(folder) as service:
        entered = await service.cases().RegisterCase(case_rpc.RegisterCaseRequest(request_id="c1", case=case()))
        begin = rpc.BeginUploadRequest(
            request_id="b1", case_id=entered.case.id, file_name="现场照片.jpg", media_type="image/jpeg",
            size_bytes=len(CONTENT), sha256=SHA256,
        )  # fmt: skip
        upload = await service.evidence().BeginUpload(begin)

        async def pieces() -> object:
            for offset in range(0, len(CONTENT), 1 << 18):
                content = CONTENT[offset : offset + (1 << 18)]
                yield rpc.UploadEvidenceRequest(upload_id=upload.upload_id, offset=offset, content=content)

        async def table() -> object:
            yield import_rpc.ImportTableRequest(request_id="i1", file_name="t.csv", content=TABLE)

        await service.evidence().UploadEvidence(pieces())
        async for _ in service.imports().ImportTable(table()):
            pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    asyncio.run(_recorded(tmp_path))
    return tmp_path


def settings(folder: Path) -> PlatformSettings:
    return PlatformSettings(storage=Storage(folder=folder))


def files_of(folder: Path) -> Checked:
    (found,) = [part for part in asyncio.run(checked(settings(folder))) if part.name.endswith("files")]
    return found


def kept(folder: Path, sha256: str) -> Path:
    return folder / "enforcement_record" / "files" / "kept" / sha256[:2] / sha256


def test_files_that_nobody_touched_are_intact(folder: Path) -> None:
    """The file of evidence and the imported table are both read."""
    found = files_of(folder)
    assert (found.what, list(found.faults)) == ("2 files", [])


@pytest.mark.parametrize("place", [0, len(CONTENT) // 2, len(CONTENT) - 1])
def test_a_flipped_byte_in_a_file_of_evidence_is_found_and_its_case_named(folder: Path, place: int) -> None:
    """Wherever it stands."""
    path = kept(folder, SHA256)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    (fault,) = files_of(folder).faults
    assert fault.rule == "FILE_CHANGED"
    assert fault.stream.startswith("case/")
    assert (fault.position > 0, SHA256[:16] in fault.message) == (True, True)


def test_a_lost_and_a_shortened_file_are_found(folder: Path) -> None:
    """A file that is gone is as bad as one that was changed."""
    kept(folder, SHA256).write_bytes(CONTENT[:-1])
    table = kept(folder, hashlib.sha256(TABLE).hexdigest())
    table.unlink()
    rules = {fault.stream.partition("/")[0]: fault.rule for fault in files_of(folder).faults}
    assert rules == {"case": "FILE_CHANGED", "import": "FILE_MISSING"}


def test_every_part_of_the_platform_is_checked(folder: Path) -> None:
    """The journals of every service that has one beside the files of those that keep some."""
    from liangfa_case_transfer.wiring import build as build_transfer
    from liangfa_kit.clock import SystemClock
    from liangfa_supervision.wiring import build

    broker = LocalBroker(folder / "events" / "events.sqlite3")
    for part in (build(folder, broker, SystemClock()), build_transfer(folder, broker, SystemClock())):
        asyncio.run(part.stop())
    asyncio.run(broker.close())
    assert [part.name for part in asyncio.run(checked(settings(folder)))] == [
        "enforcement_record", "enforcement_record files", "case_transfer", "case_transfer files", "supervision",
    ]  # fmt: skip


def test_databases_of_different_moments_are_told(folder: Path) -> None:
    """A consumer that was restored from a later moment would take new events for known ones, and skip them."""
    supervision = supervision_wiring.build(folder, LocalBroker(folder / "log.sqlite3"), SystemClock())
    key = f"supervision/{TOPIC}/0"
    with closing(supervision.store) as store:
        for position, rules in ((2, []), (10_000, ["CONSUMER_AHEAD"])):
            place = {"key": key, "next_offset": 7, "source_position": position}
            with store.transaction() as tx:
                tx.upsert(SUPERVISION_KIT.consumer_positions, [place])
            (part,) = [one for one in asyncio.run(checked(settings(folder))) if one.name == "supervision places"]
            assert [fault.rule for fault in part.faults] == rules
