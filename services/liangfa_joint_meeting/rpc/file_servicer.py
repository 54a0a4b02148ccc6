"""FileService: files sent in pieces, checked, kept for a unit, and read where the unit has attached them."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

from liangfa_joint_meeting import validation as v
from liangfa_joint_meeting.case_facts import CaseFacts
from liangfa_joint_meeting.commands.file_commands import KEEP, NOTE_READING, KeepFile, NoteReading, kept_key
from liangfa_joint_meeting.errors import FileNotFound, FileTooLarge
from liangfa_joint_meeting.queries import attached
from liangfa_kit.context import current
from liangfa_kit.objects import ObjectStore
from liangfa_kit.store.port import Store
from liangfa_kit.train import Train
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import file_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1.file_service_pb2_grpc import FileServiceServicer

MAX_PIECE_BYTES = 1 << 20
MAX_FILE_BYTES = 200 << 20
"""A product's figure: what people read to answer a question, not a recording of hours."""


class FileServicer(FileServiceServicer):
    """Translates between streams of bytes, the object store and commands."""

    def __init__(self, train: Train, store: Store, objects: ObjectStore, case_facts: CaseFacts) -> None:
        self._train = train
        self._store = store
        self._objects = objects
        self._case_facts = case_facts

    async def SendFile(
        self, request_iterator: AsyncIterator[rpc.SendFileRequest], _context: Any
    ) -> rpc.SendFileResponse:
        """Take pieces in; every piece is durable before the next is read. Keep the file when it is whole."""
        file, received = pb.FileReference(), 0
        async for piece in request_iterator:
            if not file.sha256:
                file = _checked(piece.file)
                received = await self._arrived(file)
                if received == file.size_bytes:
                    break
            if len(piece.content) > MAX_PIECE_BYTES or received + len(piece.content) > file.size_bytes:
                raise FileTooLarge(min(MAX_PIECE_BYTES, file.size_bytes - received), len(piece.content))
            if piece.content:
                received = await self._objects.append(_upload(file.sha256), piece.offset, piece.content)
        if not file.sha256:
            raise FileNotFound("")
        if received < file.size_bytes:
            return rpc.SendFileResponse(received_bytes=received)
        return rpc.SendFileResponse(file=await self._keep(file), received_bytes=received)

    async def GetArrival(self, request: rpc.GetArrivalRequest, _context: Any) -> rpc.GetArrivalResponse:
        """Say how much of a file has arrived."""
        v.check(v.files("file", [pb.FileReference(name="x", sha256=request.sha256)]))
        is_kept = await self._is_kept(request.sha256)
        received = 0 if is_kept else await self._objects.received(_upload(request.sha256))
        return rpc.GetArrivalResponse(received_bytes=received, is_kept=is_kept)

    async def CopyEvidence(self, request: rpc.CopyEvidenceRequest, _context: Any) -> rpc.CopyEvidenceResponse:
        """Fetch a file from the record on the caller's authority, and keep it for the caller's unit."""
        found = await self._case_facts.evidence(request.case_id, request.evidence_id, request.purpose)
        file = _checked(
            pb.FileReference(
                name=found.file_name[: v.MAX_NAME],
                media_type=found.media_type[: v.MAX_NAME],
                size_bytes=found.size_bytes,
                sha256=found.sha256,
                evidence_id=found.id,
            )
        )
        received = await self._arrived(file)
        if received < file.size_bytes:
            async for content in self._case_facts.content(found.id, received, request.purpose):
                received = await self._objects.append(_upload(file.sha256), received, content)
        return rpc.CopyEvidenceResponse(file=await self._keep(file, request.case_id))

    async def ReadFile(self, request: rpc.ReadFileRequest, _context: Any) -> AsyncIterator[rpc.ReadFileResponse]:
        """Send a file; the reading is journalled before the first byte."""
        caller = current().caller
        found = await self._store.read(lambda c: attached.attached(c, request, caller))
        note = NoteReading(found.stream, found.file.sha256, found.unit_id)
        await self._train.execute(NOTE_READING, note, current().command(""))
        offset = max(0, request.offset)
        async for content in self._objects.read(found.file.sha256, offset):
            yield rpc.ReadFileResponse(offset=offset, content=content)
            offset += len(content)

    async def _is_kept(self, sha256: str) -> bool:
        unit = current().caller.agency_id
        return await self._store.read(lambda c: attached.is_kept(c, unit, sha256))

    async def _arrived(self, file: pb.FileReference) -> int:
        """Return how many bytes of the file the caller's unit has sent: all, once it is kept."""
        if await self._is_kept(file.sha256):
            return file.size_bytes
        return await self._objects.received(_upload(file.sha256))

    async def _keep(self, file: pb.FileReference, case_id: str = "") -> pb.FileReference:
        if not await self._is_kept(file.sha256):
            await self._objects.finish(_upload(file.sha256), file.size_bytes, file.sha256)
            command = KeepFile(file, current().caller.agency_id, case_id)
            await self._train.execute(KEEP, command, current().command(""))
        return file


def _checked(file: pb.FileReference) -> pb.FileReference:
    v.check(v.files("file", [file]))
    if not 0 < file.size_bytes <= MAX_FILE_BYTES:
        raise FileTooLarge(MAX_FILE_BYTES, file.size_bytes)
    return file


def _upload(sha256: str) -> str:
    """Return the name of the caller's unit's upload: two units that send the same file do not meet."""
    return hashlib.sha256(kept_key(current().caller.agency_id, sha256).encode()).hexdigest()
