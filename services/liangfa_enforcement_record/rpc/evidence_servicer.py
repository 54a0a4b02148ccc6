"""EvidenceService: files announced, sent in pieces, checked, attached and sent back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from liangfa_enforcement_record.authority import require_own, require_purpose
from liangfa_enforcement_record.commands.case_commands import CaseCommands, ViewCase
from liangfa_enforcement_record.commands.evidence_commands import (
    ATTACH_EVIDENCE,
    BEGIN_UPLOAD,
    AttachEvidence,
    BeginUpload,
)
from liangfa_enforcement_record.errors import EvidenceNotFound, FileTooLarge, UploadMixed
from liangfa_enforcement_record.queries import reading
from liangfa_enforcement_record.rpc.case_servicer import call_of
from liangfa_kit.context import current
from liangfa_kit.errors import NotFound
from liangfa_kit.objects import ObjectStore
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_protos.enforcement_record.v1 import evidence_service_pb2 as rpc
from liangfa_protos.enforcement_record.v1.evidence_service_pb2_grpc import EvidenceServiceServicer

MAX_PIECE_BYTES = 1 << 20


class EvidenceServicer(EvidenceServiceServicer):
    """Translates between streams of bytes, the object store and commands."""

    def __init__(self, train: Train, store: Store, objects: ObjectStore, handlers: CaseCommands) -> None:
        self._train = train
        self._store = store
        self._objects = objects
        self._do = handlers

    async def BeginUpload(self, request: rpc.BeginUploadRequest, _context: Any) -> rpc.BeginUploadResponse:
        """Announce a file, and say how much of it has arrived already."""
        call = call_of(request.request_id)
        command = BeginUpload(
            case_id=request.case_id,
            file_name=request.file_name,
            media_type=request.media_type,
            size_bytes=request.size_bytes,
            sha256=request.sha256,
            description=request.description,
        )
        reply = await self._train.execute(BEGIN_UPLOAD, command, call)
        reply.received_bytes = reply.received_bytes or await self._objects.received(reply.upload_id)
        return reply

    async def UploadEvidence(
        self, request_iterator: AsyncIterator[rpc.UploadEvidenceRequest], _context: Any
    ) -> rpc.UploadEvidenceResponse:
        """Take pieces in; every piece is durable before the next is read. Attach the file when it is whole."""
        upload: reading.Upload | None = None
        received = 0
        async for piece in request_iterator:
            if upload is None:
                upload = await self._own_upload(piece.upload_id)
                received = await self._objects.received(upload.id)
            if piece.upload_id != upload.id:
                raise UploadMixed(upload.id, piece.upload_id)
            if upload.is_attached:
                break
            if len(piece.content) > MAX_PIECE_BYTES or received + len(piece.content) > upload.size_bytes:
                raise FileTooLarge(min(MAX_PIECE_BYTES, upload.size_bytes - received), len(piece.content))
            if piece.content:
                received = await self._objects.append(upload.id, piece.offset, piece.content)
        if upload is None:
            raise EvidenceNotFound("")
        if received < upload.size_bytes and not upload.is_attached:
            return rpc.UploadEvidenceResponse(received_bytes=received)
        if not upload.is_attached:
            await self._objects.finish(upload.id, upload.size_bytes, upload.sha256)
        command = AttachEvidence(upload.id, upload.case_id)
        return await self._train.execute(ATTACH_EVIDENCE, command, current().command(""))

    async def GetUpload(self, request: rpc.GetUploadRequest, _context: Any) -> rpc.GetUploadResponse:
        """Say how much of a file has arrived."""
        upload = await self._own_upload(request.upload_id)
        received = upload.size_bytes if upload.is_attached else await self._objects.received(upload.id)
        return rpc.GetUploadResponse(received_bytes=received, size_bytes=upload.size_bytes, complete=upload.is_attached)

    async def DownloadEvidence(
        self, request: rpc.DownloadEvidenceRequest, _context: Any
    ) -> AsyncIterator[rpc.DownloadEvidenceResponse]:
        """Send a file back; the reading is journalled before the first byte."""
        caller = current().caller
        upload = await self._upload(request.evidence_id)
        try:
            require_purpose(caller, upload.case_id, upload.agency_id, upload.region, request.purpose)
        except NotFound:
            raise EvidenceNotFound(request.evidence_id) from None
        if not upload.is_attached:
            raise EvidenceNotFound(request.evidence_id)
        view = ViewCase(upload.case_id, request.purpose, part=upload.id)
        await self._train.execute(self._do.view, view, current().command(""))
        offset = max(0, request.offset)
        async for content in self._objects.read(upload.sha256, offset):
            yield rpc.DownloadEvidenceResponse(offset=offset, content=content)
            offset += len(content)

    async def _upload(self, upload_id: str) -> reading.Upload:
        upload = await self._store.read(lambda connection: reading.upload(connection, upload_id))
        if upload is None:
            raise EvidenceNotFound(upload_id)
        return upload

    async def _own_upload(self, upload_id: str) -> reading.Upload:
        upload = await self._upload(upload_id)
        try:
            require_own(current().caller, upload.case_id, upload.agency_id, upload.region)
        except NotFound:
            raise EvidenceNotFound(upload_id) from None
        return upload
