"""DocumentService: translation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from liangfa_case_transfer.authority import may_see_document
from liangfa_case_transfer.case_evidence import CaseEvidence
from liangfa_case_transfer.commands.exporting_case import EXPORT_CASE, ExportCase
from liangfa_case_transfer.commands.numbering_series import START_SERIES, StartSeries
from liangfa_case_transfer.commands.scanning import ATTACH_SCAN, AttachScan
from liangfa_case_transfer.desk import Desk
from liangfa_case_transfer.document_errors import DocumentNotFound
from liangfa_case_transfer.keyring import Keyring
from liangfa_case_transfer.packing import CaseFile
from liangfa_case_transfer.queries import documents as reading
from liangfa_case_transfer.rpc.requests import command_call, seen_transfer
from liangfa_case_transfer.scans import check_announced, keep_scan
from liangfa_case_transfer.validation import check_correction, check_draft, check_series
from liangfa_kit.context import current
from liangfa_kit.ids import UuidSequence
from liangfa_kit.objects import PIECE_BYTES, ObjectStore
from liangfa_kit.paging import page_size
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_procedure.case_file import case_file
from liangfa_protos.case_transfer.v1 import document_pb2 as pb
from liangfa_protos.case_transfer.v1 import document_service_pb2 as rpc
from liangfa_protos.case_transfer.v1.document_service_pb2_grpc import DocumentServiceServicer


class DocumentServicer(DocumentServiceServicer):
    """Translates between protos, the desk and the object store."""

    def __init__(
        self,
        train: Train,
        store: Store,
        objects: ObjectStore,
        ids: UuidSequence,
        keyring: Keyring,
        evidence: CaseEvidence,
        desk: Desk,
    ) -> None:
        self._train = train
        self._store = store
        self._objects = objects
        self._ids = ids
        self._keyring = keyring
        self._evidence = evidence
        self._desk = desk

    async def PreviewDocument(self, request: rpc.PreviewDocumentRequest, _context: Any) -> rpc.PreviewDocumentResponse:
        """Show a document before it is issued."""
        transfer = await seen_transfer(self._store, request.transfer_id)
        check_draft(request.draft)
        return await self._desk.preview(request.draft, transfer, current().caller, request.corrects)

    async def IssueDocument(self, request: rpc.IssueDocumentRequest, _context: Any) -> rpc.IssueDocumentResponse:
        """Issue a document."""
        call = command_call(request.request_id)
        await seen_transfer(self._store, request.transfer_id)
        check_draft(request.draft)
        check_correction(request)
        return await self._desk.issue(request, call)

    async def GetDocument(self, request: rpc.GetDocumentRequest, _context: Any) -> rpc.GetDocumentResponse:
        """Read a document."""
        return rpc.GetDocumentResponse(document=await self._seen(request))

    async def DownloadDocument(
        self, request: rpc.DownloadDocumentRequest, _context: Any
    ) -> AsyncIterator[rpc.DownloadDocumentResponse]:
        """Send the file of a document."""
        document = await self._seen(request)
        offset = max(0, request.offset)
        sha256 = request.scan_sha256 or document.sha256
        if sha256 not in {document.sha256, *(one.sha256 for one in document.scans)}:
            raise DocumentNotFound(request.document_id)
        async for content in self._objects.read(sha256, offset):
            yield rpc.DownloadDocumentResponse(offset=offset, content=content)
            offset += len(content)

    async def AttachSignedScan(
        self, request_iterator: AsyncIterator[rpc.AttachSignedScanRequest], _context: Any
    ) -> rpc.AttachSignedScanResponse:
        """Take a signed copy in; it is attached when it is whole and is what it is said to be."""
        caller = current().caller
        first = await anext(request_iterator, rpc.AttachSignedScanRequest())
        await seen_transfer(self._store, first.transfer_id)
        document = await self._desk.own_document(first.transfer_id, first.document_id, first.version, caller)
        check_announced(first)
        if first.sha256 not in {one.sha256 for one in document.scans}:
            await keep_scan(self._objects, self._ids(), first, request_iterator)
        scan = pb.SignedScan(
            file_name=first.file_name, media_type=first.media_type, size_bytes=first.size_bytes, sha256=first.sha256
        )
        command = AttachScan(document.transfer_id, document.id, document.version, scan)
        return await self._train.execute(ATTACH_SCAN, command, current().command(""))

    async def StartNumberSeries(
        self, request: rpc.StartNumberSeriesRequest, _context: Any
    ) -> rpc.StartNumberSeriesResponse:
        """Begin a series after the numbers given on paper."""
        call = command_call(request.request_id)
        check_series(request)
        command = StartSeries(request.code_word, request.last_serial)
        return await self._train.execute(START_SERIES, command, call)

    async def ListDocuments(self, request: rpc.ListDocumentsRequest, _context: Any) -> rpc.ListDocumentsResponse:
        """List the documents of a transfer that the caller may see."""
        transfer = await seen_transfer(self._store, request.transfer_id)
        size, actor = page_size(request.page_size, 50, 200), current().caller
        bodies, token = await self._store.read(
            lambda c: reading.document_page(
                c, actor, transfer.id, kind=request.kind, size=size, token=request.page_token
            )
        )
        found = [one for one in map(pb.IssuedDocument.FromString, bodies) if may_see_document(actor, one)]
        return rpc.ListDocumentsResponse(documents=found, next_page_token=token)

    async def ExportCaseFile(
        self, request: rpc.ExportCaseFileRequest, _context: Any
    ) -> AsyncIterator[rpc.ExportCaseFileResponse]:
        """Send the case file; the export is journalled before the first byte."""
        transfer = await seen_transfer(self._store, request.transfer_id)
        await self._train.execute(EXPORT_CASE, ExportCase(transfer.id), current().command(""))
        found = CaseFile(self._store, self._objects, self._keyring, self._evidence, transfer, current().caller)
        async for content in case_file(found.parts()):
            for place in range(0, len(content), PIECE_BYTES):
                yield rpc.ExportCaseFileResponse(content=content[place : place + PIECE_BYTES])

    async def _seen(self, request: rpc.GetDocumentRequest | rpc.DownloadDocumentRequest) -> pb.IssuedDocument:
        await seen_transfer(self._store, request.transfer_id)
        return await self._desk.document(request.transfer_id, request.document_id, request.version, current().caller)
