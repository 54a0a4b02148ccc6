"""The case file: everything that the transfer holds and the caller may see, in one archive that is made while it is sent."""

from __future__ import annotations

import csv
import hashlib
import io
import random
import tempfile
import tracemalloc
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

import pytest
import pytest_asyncio

from liangfa_case_transfer.exporting import file_flaws
from liangfa_case_transfer.wiring import files_path
from liangfa_procedure.case_file import CATALOGUE
from liangfa_protos.case_transfer.v1 import document_pb2
from liangfa_protos.case_transfer.v1 import document_service_pb2 as rpc
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from tests.service.case_transfer.test_signed_scans import PDF, attach
from tests.transferring import OFFICER, POLICE, PROCEDURE, Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
MIB = 1 << 20


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


async def delivered(service: Service) -> tuple[pb.Transfer, dict[str, document_pb2.IssuedDocument]]:
    """Return a delivered transfer and its documents by kind; the internal approval form is one of them."""
    transfer = await service.open()
    await service.walk(transfer, ("report_to_head", "approve_transfer"))
    material = document_pb2.Material(title="=现场笔录", sha256="ab" * 32)
    kinds = PROCEDURE.step("deliver_transfer").documents_required
    documents = {kind: await service.issue(transfer, kind) for kind in kinds if kind != "transfer_letter"}
    documents["transfer_letter"] = await service.issue(transfer, "transfer_letter", materials=[material])
    await attach(service, documents["transfer_letter"])
    named = [pb.Document(document_id=one.id) for one in documents.values()]
    await service.take(transfer, "deliver_transfer", OFFICER, documents=named)
    documents["approval_form"] = await service.issue(transfer, "approval_form")
    return transfer, documents


async def exported(service: Service, transfer: pb.Transfer, target: IO[bytes], by: object = OFFICER) -> None:
    request = rpc.ExportCaseFileRequest(transfer_id=transfer.id)
    async for piece in service.desk(by).ExportCaseFile(request):  # type: ignore[arg-type]  # an Actor
        target.write(piece.content)


async def archive(service: Service, transfer: pb.Transfer, by: object = OFFICER) -> zipfile.ZipFile:
    target = io.BytesIO()
    await exported(service, transfer, target, by)
    return zipfile.ZipFile(target)


def rows(found: zipfile.ZipFile, ending: str) -> list[dict[str, str]]:
    (name,) = [one for one in found.namelist() if one.endswith(ending)]
    return list(csv.DictReader(io.StringIO(found.read(name).decode("utf-8-sig"))))


async def test_the_case_file_holds_all_and_its_catalogue_says_what(service: Service) -> None:
    """Documents and signed copies as recorded, receipts that verify, the timeline, and a register of what has a hash."""
    transfer, documents = await delivered(service)
    found = await archive(service, transfer)
    assert found.testzip() is None
    listed = rows(found, CATALOGUE)
    assert [row["文件"] for row in listed] == found.namelist()[:-1]
    for row in listed:
        content = found.read(row["文件"])
        assert (hashlib.sha256(content).hexdigest(), str(len(content))) == (row["SHA-256"], row["字节"])
    packed = {row["SHA-256"] for row in listed if row["核对"] == "一致"}
    assert packed == {hashlib.sha256(PDF).hexdigest(), *(one.sha256 for one in documents.values())}
    names = found.namelist()
    letter = documents["transfer_letter"]
    assert any(f"涉嫌犯罪案件移送书 {letter.number} 第1版.docx" in name for name in names)
    (receipts,) = [name for name in found.namelist() if "交接回执" in name]
    assert {flaw.rule for flaw in file_flaws(found.read(receipts))} == {"OPEN"}
    assert [row["步骤"] for row in rows(found, "办理时间线.csv")][-1] == "移送公安机关"
    register = {row["SHA-256"]: (row["题名"], row["卷内文件"]) for row in rows(found, "证据和材料登记表.csv")}
    assert register["ab" * 32] == ("'=现场笔录", "否")
    assert register[letter.sha256][1] == "是"
    assert rows(found, "期限.csv")


async def test_everybody_gets_what_they_may_see(service: Service) -> None:
    """The police get what was handed to them, and not the agency's approval form; the export is journalled with its author."""
    transfer, documents = await delivered(service)
    found = await archive(service, transfer, POLICE)
    packed = {row["SHA-256"] for row in rows(found, CATALOGUE)}
    internal = documents.pop("approval_form")
    assert {one.sha256 for one in documents.values()} <= packed
    assert internal.sha256 not in packed
    assert [event.transfer_id for event in await service.events("CaseFileExported")] == [transfer.id]


async def test_the_same_state_gives_the_same_bytes(service: Service) -> None:
    """Whoever compares two copies of a file that nobody has touched finds no difference."""
    transfer, _ = await delivered(service)
    one, two = io.BytesIO(), io.BytesIO()
    await exported(service, transfer, one)
    await exported(service, transfer, two)
    assert one.getvalue() == two.getvalue()


async def test_a_file_that_is_lost_or_altered_is_marked_and_the_rest_is_there(service: Service, tmp_path: Path) -> None:
    """Nobody takes a silent gap for a whole file."""
    transfer, documents = await delivered(service)
    kept = files_path(tmp_path) / "kept"
    lost, altered = documents["item_list"].sha256, documents["material_list"].sha256
    (kept / lost[:2] / lost).unlink()
    (kept / altered[:2] / altered).write_bytes(b"altered")
    listed = rows(await archive(service, transfer), CATALOGUE)
    marked = {row["题名"].split()[0]: row["字节"] for row in listed if row["核对"] == "不一致"}
    assert marked == {"涉案物品清单": "0", "移送材料清单": "7"}


async def test_memory_does_not_grow_with_the_case(service: Service) -> None:
    """Forty-eight mebibytes that no compression shrinks pass through a fraction of that, and arrive whole."""
    transfer = await service.open()
    document = await service.issue(transfer, "approval_form")
    hashes = set()
    for seed in range(3):
        content = b"%PDF-" + random.Random(seed).randbytes(16 * MIB)
        hashes.add(hashlib.sha256(content).hexdigest())
        await attach(service, document, content, file_name=f"扫描件{seed}.pdf")
    with tempfile.TemporaryFile() as target:
        tracemalloc.start()
        try:
            await exported(service, transfer, target)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert target.tell() > 48 * MIB
        assert peak < 16 * MIB
        found = zipfile.ZipFile(target)
        assert hashes <= {row["SHA-256"] for row in rows(found, CATALOGUE) if row["核对"] == "一致"}
