"""The case file of the whole platform: evidence comes from the record, on the authority of whoever exports."""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liangfa_cli import district
from liangfa_cli.platform import Platform
from liangfa_enforcement_record.wiring import files_path
from liangfa_kit.clock import ManualClock
from liangfa_kit.identity import Actor
from liangfa_procedure.case_file import CATALOGUE
from liangfa_protos.case_transfer.v1 import document_service_pb2, transfer_pb2
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from liangfa_protos.case_transfer.v1.document_service_pb2_grpc import DocumentServiceStub
from liangfa_protos.case_transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from liangfa_protos.enforcement_record.v1 import evidence_service_pb2 as evidence_rpc
from liangfa_protos.enforcement_record.v1.evidence_service_pb2_grpc import EvidenceServiceStub
from tests.unit.supervision.test_reactions import START, case, platform_at, register

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
OFFICER = district.officer("market_regulation")
PHOTOGRAPH = bytes(range(256)) * 3_000
SHA256 = hashlib.sha256(PHOTOGRAPH).hexdigest()


async def transferred(platform: Platform, police: str = "hs-police") -> transfer_pb2.Transfer:
    """Return the transfer of a case that has a photograph as evidence."""
    known = await register(platform, case("在卤肉中添加罂粟壳，已销售80元。"))
    stub: Any = EvidenceServiceStub(platform.channel_for(OFFICER))
    begin = evidence_rpc.BeginUploadRequest(
        request_id="photograph", case_id=known.id, file_name="现场照片.jpg", media_type="image/jpeg",
        size_bytes=len(PHOTOGRAPH), sha256=SHA256, description="后厨",
    )  # fmt: skip
    upload = await stub.BeginUpload(begin)

    async def pieces() -> AsyncIterator[evidence_rpc.UploadEvidenceRequest]:
        yield evidence_rpc.UploadEvidenceRequest(upload_id=upload.upload_id, content=PHOTOGRAPH)

    await stub.UploadEvidence(pieces())
    request = rpc.OpenTransferRequest(
        request_id="open", case_id=known.id, title="某餐饮店案", suspect_names=["张三丰"], offences=["生产、销售有毒、有害食品罪"],
        receiver=transfer_pb2.Organisation(id=police, name="某公安分局"),
        supervisor=transfer_pb2.Organisation(id="hs-procuratorate", name="武汉市洪山区人民检察院"),
    )  # fmt: skip
    transfers: Any = TransferServiceStub(platform.channel_for(OFFICER))
    found: transfer_pb2.Transfer = (await transfers.OpenTransfer(request)).transfer
    return found


async def exported(platform: Platform, transfer: transfer_pb2.Transfer, by: Actor) -> zipfile.ZipFile:
    stub: Any = DocumentServiceStub(platform.channel_for(by))
    asked = document_service_pb2.ExportCaseFileRequest(transfer_id=transfer.id)
    return zipfile.ZipFile(io.BytesIO(b"".join([piece.content async for piece in stub.ExportCaseFile(asked)])))


def rows(archive: zipfile.ZipFile, ending: str) -> list[dict[str, str]]:
    (name,) = [one for one in archive.namelist() if one.endswith(ending)]
    return list(csv.DictReader(io.StringIO(archive.read(name).decode("utf-8-sig"))))


def photograph(archive: zipfile.ZipFile) -> dict[str, str]:
    (row,) = [row for row in rows(archive, CATALOGUE) if row["题名"] == "现场照片"]
    return row


async def test_evidence_of_the_record_lies_in_the_case_file(tmp_path: Path) -> None:
    """Byte for byte, as recorded; one that was altered on the disk is marked, one that is lost too."""
    async with platform_at(tmp_path, ManualClock(START)) as platform:
        transfer = await transferred(platform)
        archive = await exported(platform, transfer, OFFICER)
        row = photograph(archive)
        assert (row["核对"], row["SHA-256"]) == ("一致", SHA256)
        assert archive.read(row["文件"]) == PHOTOGRAPH
        register_row = next(one for one in rows(archive, "登记表.csv") if one["SHA-256"] == SHA256)
        assert (register_row["来源"], register_row["卷内文件"]) == ("执法记录证据", "是")
        path = files_path(tmp_path) / "kept" / SHA256[:2] / SHA256
        path.write_bytes(PHOTOGRAPH[:-1])
        assert photograph(await exported(platform, transfer, OFFICER))["核对"] == "不一致"
        path.unlink()
        row = photograph(await exported(platform, transfer, OFFICER))
        assert (row["核对"], row["字节"]) == ("不一致", "0")


async def test_whoever_may_not_read_the_case_gets_the_file_without_evidence_and_is_told(tmp_path: Path) -> None:
    """The record decides, as if they had asked it themselves; a record out of reach takes nothing else away."""
    async with platform_at(tmp_path, ManualClock(START)) as platform:
        transfer = await transferred(platform, police="far-police")
        far = replace(district.POLICE, agency_id="far-police", region="420106")
        police = await exported(platform, transfer, far)
        assert platform.transfer is not None
        platform.transfer.evidence.channel = None
        alone = await exported(platform, transfer, OFFICER)
    for archive, word in ((police, "无权查阅"), (alone, "未接通")):
        assert SHA256 not in {row["SHA-256"] for row in rows(archive, CATALOGUE)}
        assert any(word in row["题名"] and row["卷内文件"] == "否" for row in rows(archive, "登记表.csv")), word
        assert rows(archive, "办理时间线.csv")
