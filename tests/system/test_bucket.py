"""The whole platform with its files in an S3-compatible store: evidence, imported tables, documents, files of questions."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from liangfa_cli import district
from liangfa_cli.journals import checked
from liangfa_cli.platform import running
from liangfa_kit.clock import ManualClock
from liangfa_kit.settings import Listen, Logging, Objects, PlatformSettings, Storage
from liangfa_protos.enforcement_record.v1 import evidence_service_pb2 as evidence_rpc
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as import_rpc
from liangfa_protos.enforcement_record.v1.evidence_service_pb2_grpc import EvidenceServiceStub
from liangfa_protos.enforcement_record.v1.import_service_pb2_grpc import ImportServiceStub
from liangfa_protos.joint_meeting.v1 import file_service_pb2 as file_rpc
from liangfa_protos.joint_meeting.v1.file_service_pb2_grpc import FileServiceStub
from tests.unit.supervision.test_reactions import START, case, register

pytestmark = pytest.mark.asyncio
CONTENT = bytes(range(256)) * 8_000
TABLE = (
    "行政相对人名称,违法行为类型,违法事实,处罚类别,处罚内容,罚款金额（万元）,处罚决定日期\n"
    "洪山区甲便利店,经营过期食品,货架上有过期糖果一袋,罚款,罚款0.1万元,0.1,2026-02-03\n"
)
OFFICER = district.officer("market_regulation")


def settings(folder: Path, bucket: Objects) -> PlatformSettings:
    log = Logging(file=folder / "log.json")
    return PlatformSettings(storage=Storage(folder=folder), listen=Listen(port=0), logging=log, objects=bucket)


async def attached(channel: Any, case_id: str) -> str:
    stub: Any = EvidenceServiceStub(channel)
    begin = evidence_rpc.BeginUploadRequest(
        request_id="b", case_id=case_id, file_name="照片.jpg", media_type="image/jpeg", size_bytes=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
    )  # fmt: skip
    upload = await stub.BeginUpload(begin)

    async def pieces() -> AsyncIterator[evidence_rpc.UploadEvidenceRequest]:
        for offset in range(0, len(CONTENT), 1 << 20):
            content = CONTENT[offset : offset + (1 << 20)]
            yield evidence_rpc.UploadEvidenceRequest(upload_id=upload.upload_id, offset=offset, content=content)

    return str((await stub.UploadEvidence(pieces())).evidence.id)


async def test_files_of_every_kind_go_to_the_bucket_and_come_back(tmp_path: Path, bucket: Objects) -> None:
    """Nothing lies in the folder; `liangfa verify` reads all of it in the bucket, and sees what is not there."""
    given = settings(tmp_path, bucket)
    async with running(given, clock=ManualClock(START)) as platform:
        channel = platform.channel_for(OFFICER)
        entered = await register(platform, case("后厨使用罂粟壳熬制底料，违法所得120元。"))
        evidence_id = await attached(channel, entered.id)
        record: Any = EvidenceServiceStub(channel)
        asked = evidence_rpc.DownloadEvidenceRequest(evidence_id=evidence_id, offset=700_001)
        assert b"".join([piece.content async for piece in record.DownloadEvidence(asked)]) == CONTENT[700_001:]

        async def table() -> AsyncIterator[import_rpc.ImportTableRequest]:
            yield import_rpc.ImportTableRequest(request_id="i", file_name="t.csv", content=TABLE.encode())

        imports: Any = ImportServiceStub(channel)
        messages = [message async for message in imports.ImportTable(table())]
        assert messages[-1].progress.cases_registered == 1
        copy = file_rpc.CopyEvidenceRequest(case_id=entered.id, evidence_id=evidence_id, purpose="咨询")
        assert (await FileServiceStub(channel).CopyEvidence(copy)).file.size_bytes == len(CONTENT)
    assert not [path for path in tmp_path.rglob("*") if "files" in path.parts]  # noqa: ASYNC240 - a test's folder
    parts = {part.name: part for part in await checked(given)}
    assert (parts["enforcement_record files"].what, parts["joint_meeting files"].what) == ("2 files", "1 files")
    assert [fault for part in parts.values() for fault in part.faults] == []
    elsewhere = given.model_copy(update={"objects": bucket.model_copy(update={"prefix": "other/"})})
    missing = [fault.rule for part in await checked(elsewhere) for fault in part.faults]
    assert missing == ["FILE_MISSING"] * 3
