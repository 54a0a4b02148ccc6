"""Signed copies: attached beside the document, checked for what they are, read back, and found by `liangfa verify`."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from liangfa_case_transfer.queries.files import kept_files
from liangfa_case_transfer.wiring import files_path
from liangfa_kit.errors import Invalid, NotFound
from liangfa_kit.objects import FolderStore
from liangfa_kit.verify import file_faults
from liangfa_protos.case_transfer.v1 import document_pb2 as pb
from liangfa_protos.case_transfer.v1 import document_service_pb2 as rpc
from tests.transferring import CHIEF, OFFICER, POLICE, Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 4_000


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running_service(tmp_path) as running:
        yield running


@pytest_asyncio.fixture
async def letter(service: Service) -> pb.IssuedDocument:
    found: pb.IssuedDocument = await service.issue(await service.open(), "transfer_letter")
    return found


async def attach(
    service: Service, document: pb.IssuedDocument, content: bytes = PDF, by: Any = OFFICER, **changed: Any
) -> pb.IssuedDocument:
    """Send a file in pieces of 300,000 bytes."""
    announced: dict[str, Any] = {
        "transfer_id": document.transfer_id, "document_id": document.id, "version": document.version,
        "file_name": "签章页.pdf", "media_type": "application/pdf", "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }  # fmt: skip

    async def pieces() -> AsyncIterator[rpc.AttachSignedScanRequest]:
        yield rpc.AttachSignedScanRequest(**(announced | changed))
        for start in range(0, len(content), 300_000):
            yield rpc.AttachSignedScanRequest(content=content[start : start + 300_000])

    found: pb.IssuedDocument = (await service.desk(by).AttachSignedScan(pieces())).document
    return found


async def test_a_signed_copy_stands_beside_the_document(service: Service, letter: pb.IssuedDocument) -> None:
    """Read back byte for byte; the same again changes nothing; the document itself stays what it was."""
    found = await attach(service, letter)
    assert [(s.file_name, s.size_bytes, s.attached_by.person_id) for s in found.scans] == [
        ("签章页.pdf", len(PDF), "market-officer")
    ]
    assert await attach(service, letter) == found
    assert len(await service.events("SignedScanAttached")) == 1
    request = rpc.DownloadDocumentRequest(
        transfer_id=letter.transfer_id, document_id=letter.id, scan_sha256=found.scans[0].sha256, offset=9
    )
    assert b"".join([p.content async for p in service.desk().DownloadDocument(request)]) == PDF[9:]
    assert found.sha256 == hashlib.sha256(await service.file(letter)).hexdigest()


@pytest.mark.parametrize(
    ("content", "changed", "reason"),
    [
        (b"MZ" + PDF, {}, "SCAN_REFUSED"),
        (PDF, {"media_type": "image/png"}, "SCAN_REFUSED"),
        (PDF, {"media_type": "text/html"}, "SCAN_REFUSED"),
        (PDF, {"size_bytes": (64 << 20) + 1}, "SCAN_REFUSED"),
        (PDF, {"size_bytes": 0}, "SCAN_REFUSED"),
        (PDF, {"size_bytes": 100}, "SCAN_REFUSED"),
        (PDF, {"file_name": "../../etc/passwd"}, "SCAN_REFUSED"),
        (PDF, {"sha256": "0" * 63 + "/"}, "SCAN_REFUSED"),
        (PDF, {"sha256": "0" * 64}, "CONTENT_MISMATCH"),
        (PDF, {"size_bytes": len(PDF) + 1}, "CONTENT_MISMATCH"),
        (b"", {"size_bytes": 1}, "SCAN_REFUSED"),
    ],
)
async def test_what_is_no_scan_is_refused(
    service: Service, letter: pb.IssuedDocument, tmp_path: Path, content: bytes, changed: dict[str, Any], reason: str
) -> None:
    """By its beginning, size, name, type or hash; nothing is recorded, and nothing of it stays on the disk."""
    with pytest.raises(Invalid) as refused:
        await attach(service, letter, content, **changed)
    assert refused.value.reason == reason
    assert not await service.events("SignedScanAttached")
    assert list((files_path(tmp_path) / "arriving").iterdir()) == []


async def test_only_the_issuer_attaches_signed_copies(service: Service, letter: pb.IssuedDocument) -> None:
    """To others the document does not exist, or is not theirs."""
    for by in (POLICE, CHIEF):
        with pytest.raises(NotFound) as refused:
            await attach(service, letter, by=by)
        assert refused.value.reason == "DOCUMENT_NOT_FOUND"


async def test_a_missing_or_altered_file_is_found_by_verification(
    service: Service, letter: pb.IssuedDocument, tmp_path: Path
) -> None:
    """The journal names documents and signed copies; the files beside it are compared with what it says."""
    scan = (await attach(service, letter)).scans[0]
    folder = files_path(tmp_path)

    async def faults() -> set[str]:
        named = await service.parts.store.read(lambda c: list(kept_files(c)))
        return {fault.rule async for fault in file_faults(FolderStore(folder), named)}

    assert await faults() == set()
    (folder / "kept" / scan.sha256[:2] / scan.sha256).write_bytes(b"altered")
    (folder / "kept" / letter.sha256[:2] / letter.sha256).unlink()
    assert await faults() == {"FILE_CHANGED", "FILE_MISSING"}
