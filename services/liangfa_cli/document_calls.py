"""What `liangfa documents` asks of a running platform."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import IO, Any

from liangfa_kit.errors import Invalid
from liangfa_kit.rpc.client import Channel
from liangfa_protos.case_transfer.v1 import document_pb2 as pb
from liangfa_protos.case_transfer.v1 import document_service_pb2 as rpc
from liangfa_protos.case_transfer.v1.document_service_pb2_grpc import DocumentServiceStub

_PIECE_BYTES = 256 * 1024


def materials(given: Iterable[str], issued: Iterable[str]) -> list[pb.Material]:
    """Return materials of words like `现场笔录=笔录.pdf`, with each file's hash, and of ids of issued documents."""
    found = []
    for one in given:
        title, _, file = one.rpartition("=")
        found.append(pb.Material(title=title or Path(file).stem, sha256=_measured(Path(file))[0]))
    return found + [pb.Material(document_id=one) for one in issued]


async def previewed(channel: Channel, request: rpc.PreviewDocumentRequest) -> rpc.PreviewDocumentResponse:
    """Return a preview."""
    stub: Any = DocumentServiceStub(channel)
    reply: rpc.PreviewDocumentResponse = await stub.PreviewDocument(request)
    return reply


async def issued_document(channel: Channel, request: rpc.IssueDocumentRequest) -> pb.IssuedDocument:
    """Issue a document."""
    stub: Any = DocumentServiceStub(channel)
    document: pb.IssuedDocument = (await stub.IssueDocument(request)).document
    return document


async def started_series(channel: Channel, request: rpc.StartNumberSeriesRequest) -> str:
    """Begin a series of numbers; return the number that comes next."""
    stub: Any = DocumentServiceStub(channel)
    number: str = (await stub.StartNumberSeries(request)).next_number
    return number


async def all_documents(channel: Channel, transfer_id: str) -> list[pb.IssuedDocument]:
    """Return every version of the documents of a transfer."""
    stub: Any = DocumentServiceStub(channel)
    found: list[pb.IssuedDocument] = []
    request = rpc.ListDocumentsRequest(transfer_id=transfer_id, page_size=200)
    while True:
        page = await stub.ListDocuments(request)
        found += page.documents
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


async def save_document(channel: Channel, request: rpc.DownloadDocumentRequest, target: IO[bytes]) -> int:
    """Write the file of a document; return its size in bytes."""
    stub: Any = DocumentServiceStub(channel)
    return await _saved(stub.DownloadDocument(request), target)


async def save_case_file(channel: Channel, transfer_id: str, target: IO[bytes]) -> int:
    """Write the case file of a transfer; return its size in bytes."""
    stub: Any = DocumentServiceStub(channel)
    return await _saved(stub.ExportCaseFile(rpc.ExportCaseFileRequest(transfer_id=transfer_id)), target)


async def attach_scan(channel: Channel, transfer_id: str, document_id: str, file: Path) -> pb.IssuedDocument:
    """Send a signed copy; its type is taken from the file's name."""
    sha256, size_bytes = _measured(file)
    first = rpc.AttachSignedScanRequest(
        transfer_id=transfer_id,
        document_id=document_id,
        file_name=file.name,
        media_type=mimetypes.guess_type(file.name)[0] or "application/octet-stream",
        size_bytes=size_bytes,
        sha256=sha256,
    )

    async def pieces() -> AsyncIterator[rpc.AttachSignedScanRequest]:
        yield first
        with file.open("rb") as content:
            while piece := content.read(_PIECE_BYTES):
                yield rpc.AttachSignedScanRequest(content=piece)

    stub: Any = DocumentServiceStub(channel)
    document: pb.IssuedDocument = (await stub.AttachSignedScan(pieces())).document
    return document


async def _saved(pieces: AsyncIterator[Any], target: IO[bytes]) -> int:
    size = 0
    async for piece in pieces:
        size += target.write(piece.content)
    return size


def _measured(file: Path) -> tuple[str, int]:
    """Return SHA-256 and size of a file. Raises `Invalid` (DOCUMENT_UNREADABLE)."""
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest(), content.tell()
    except OSError as error:
        raise Invalid(
            f"The file {file} cannot be read: {error.strerror}.",
            message_zh=f"文件 {file} 无法读取。",
            remedy="Name a file that is there and that you may read.",
            reason="DOCUMENT_UNREADABLE",
        ) from None
