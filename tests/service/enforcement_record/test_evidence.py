"""EvidenceService through its stub: streamed, checked, resumable, and every reading journalled."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from liangfa_kit.errors import Exhausted, Invalid, NotFound, Precondition
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as case_rpc
from liangfa_protos.enforcement_record.v1 import evidence_service_pb2 as rpc
from tests.enforcement import HEAD, PROCURATOR, STRANGER, case
from tests.enforcement_service import Service, running_service

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PIECE = 1 << 18


async def new_case(service: Service) -> pb.Case:
    reply = await service.cases().RegisterCase(case_rpc.RegisterCaseRequest(request_id="c1", case=case()))
    entered: pb.Case = reply.case
    return entered


async def begin(service: Service, case_id: str, **changed: Any) -> rpc.BeginUploadResponse:
    values = {"file_name": "现场照片.jpg", "media_type": "image/jpeg", "size_bytes": len(CONTENT), "sha256": SHA256}
    request = rpc.BeginUploadRequest(request_id=str(uuid.uuid4()), case_id=case_id, **(values | changed))  # type: ignore[arg-type]  # fields
    reply: rpc.BeginUploadResponse = await service.evidence().BeginUpload(request)
    return reply


async def pieces(
    upload_id: str, content: bytes = CONTENT, start: int = 0, end: int | None = None
) -> AsyncIterator[rpc.UploadEvidenceRequest]:
    for offset in range(start, len(content) if end is None else end, PIECE):
        yield rpc.UploadEvidenceRequest(upload_id=upload_id, offset=offset, content=content[offset : offset + PIECE])


async def downloaded(service: Service, evidence_id: str, by: Any, offset: int = 0, purpose: str = "核对") -> bytes:
    request = rpc.DownloadEvidenceRequest(evidence_id=evidence_id, offset=offset, purpose=purpose)
    return b"".join([part.content async for part in service.evidence(by).DownloadEvidence(request)])


async def test_a_file_goes_in_and_comes_back_whole(tmp_path: Path) -> None:
    """Announced, sent, attached; the case shows it; both sides of the law can read it."""
    async with running_service(tmp_path) as service:
        entered = await new_case(service)
        upload = await begin(service, entered.id, description="货架")
        reply = await service.evidence().UploadEvidence(pieces(upload.upload_id))
        assert (reply.evidence.sha256, reply.received_bytes) == (SHA256, len(CONTENT))
        shown = await service.cases().GetCase(case_rpc.GetCaseRequest(case_id=entered.id))
        assert list(shown.case.evidence) == [reply.evidence]
        assert await downloaded(service, upload.upload_id, HEAD) == CONTENT
        assert await downloaded(service, upload.upload_id, PROCURATOR, offset=PIECE + 3) == CONTENT[PIECE + 3 :]
        told = await service.cases().GetCaseTimeline(case_rpc.GetCaseTimelineRequest(case_id=entered.id))
        assert [entry.type for entry in told.entries] == ["CaseRegistered", "EvidenceAttached"] + ["CaseViewed"] * 4


async def test_an_upload_that_broke_off_goes_on_where_it_ended(tmp_path: Path) -> None:
    """The client asks how much has arrived and sends the rest, also after a restart of the service."""
    async with running_service(tmp_path) as service:
        entered = await new_case(service)
        upload = await begin(service, entered.id)
        reply = await service.evidence().UploadEvidence(pieces(upload.upload_id, end=2 * PIECE))
        assert (reply.received_bytes, reply.HasField("evidence")) == (2 * PIECE, False)
    async with running_service(tmp_path) as service:
        again = await begin(service, entered.id)
        assert again.upload_id == upload.upload_id
        state = await service.evidence().GetUpload(rpc.GetUploadRequest(upload_id=upload.upload_id))
        assert (state.received_bytes, state.complete) == (2 * PIECE, False)
        reply = await service.evidence().UploadEvidence(pieces(upload.upload_id, start=2 * PIECE))
        assert reply.evidence.id == upload.upload_id
        state = await service.evidence().GetUpload(rpc.GetUploadRequest(upload_id=upload.upload_id))
        assert (state.received_bytes, state.complete) == (len(CONTENT), True)


async def test_sending_a_file_again_attaches_it_once(tmp_path: Path) -> None:
    """Announcing or sending the same content again answers with what is there."""
    async with running_service(tmp_path) as service:
        entered = await new_case(service)
        upload = await begin(service, entered.id)
        first = await service.evidence().UploadEvidence(pieces(upload.upload_id))
        assert await service.evidence().UploadEvidence(pieces(upload.upload_id)) == first
        assert (await begin(service, entered.id, file_name="另名.jpg")).received_bytes == len(CONTENT)
        shown = await service.cases().GetCase(case_rpc.GetCaseRequest(case_id=entered.id))
        assert len(shown.case.evidence) == 1


async def test_a_piece_out_of_place_is_refused_and_the_upload_stays(tmp_path: Path) -> None:
    """The refusal says where to go on."""
    async with running_service(tmp_path) as service:
        upload = await begin(service, (await new_case(service)).id)
        await service.evidence().UploadEvidence(pieces(upload.upload_id, end=PIECE))
        with pytest.raises(Precondition) as refusal:
            await service.evidence().UploadEvidence(pieces(upload.upload_id, start=2 * PIECE))
        assert (refusal.value.reason, refusal.value.metadata["expected"]) == ("OFFSET_MISMATCH", str(PIECE))
        await service.evidence().UploadEvidence(pieces(upload.upload_id, start=PIECE))


async def test_other_bytes_than_announced_are_never_attached(tmp_path: Path) -> None:
    """A file that was changed on its way is dropped; sending the right one then works."""
    async with running_service(tmp_path) as service:
        upload = await begin(service, (await new_case(service)).id)
        with pytest.raises(Invalid) as refusal:
            await service.evidence().UploadEvidence(pieces(upload.upload_id, CONTENT[:-1] + b"!"))
        assert refusal.value.reason == "CONTENT_MISMATCH"
        with pytest.raises(NotFound):
            await downloaded(service, upload.upload_id, HEAD)
        reply = await service.evidence().UploadEvidence(pieces(upload.upload_id))
        assert reply.HasField("evidence")


async def test_more_bytes_than_announced_are_refused(tmp_path: Path) -> None:
    """Neither a piece beyond 1 MiB nor a file beyond its size is taken."""
    async with running_service(tmp_path) as service:
        entered = await new_case(service)
        small = await begin(service, entered.id, size_bytes=10, sha256="1" * 64)
        large = await begin(service, entered.id, size_bytes=3 << 20, sha256="2" * 64)
        for upload, size in ((small, 11), (large, (1 << 20) + 1)):
            with pytest.raises(Invalid) as refusal:
                await service.evidence().UploadEvidence(
                    iterated([rpc.UploadEvidenceRequest(upload_id=upload.upload_id, content=b"x" * size)])
                )
            assert refusal.value.reason == "FILE_TOO_LARGE"


async def iterated(messages: list[Any]) -> AsyncIterator[Any]:
    for message in messages:
        yield message


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"file_name": "../x"}, "file_name"),
        ({"file_name": ""}, "file_name"),
        ({"size_bytes": 0}, "size_bytes"),
        ({"size_bytes": (4 << 30) + 1}, "size_bytes"),
        ({"sha256": "x"}, "sha256"),
        ({"media_type": "jpeg"}, "media_type"),
    ],
)
async def test_a_malformed_announcement_is_refused(tmp_path: Path, changed: dict[str, Any], field: str) -> None:
    """Before a single byte is sent."""
    async with running_service(tmp_path) as service:
        with pytest.raises(Invalid) as refusal:
            await begin(service, (await new_case(service)).id, **changed)
        assert refusal.value.violations[0].field == field


async def test_strangers_can_neither_send_nor_ask_nor_read(tmp_path: Path) -> None:
    """For them there is no such file."""
    async with running_service(tmp_path) as service:
        upload = await begin(service, (await new_case(service)).id)
        await service.evidence().UploadEvidence(pieces(upload.upload_id))
        stub = service.evidence(STRANGER)
        for call in (
            stub.UploadEvidence(pieces(upload.upload_id)),
            stub.GetUpload(rpc.GetUploadRequest(upload_id=upload.upload_id)),
            downloaded(service, upload.upload_id, STRANGER),
        ):
            with pytest.raises(NotFound) as refusal:
                await call
            assert refusal.value.reason == "EVIDENCE_NOT_FOUND"
        with pytest.raises(Invalid) as purpose:
            await downloaded(service, upload.upload_id, PROCURATOR, purpose="")
        assert purpose.value.reason == "PURPOSE_REQUIRED"


async def test_a_full_disk_loses_nothing_that_has_arrived(tmp_path: Path) -> None:
    """The upload goes on once there is room."""
    async with running_service(tmp_path) as service:
        upload = await begin(service, (await new_case(service)).id)
        arriving = tmp_path / "enforcement_record" / "files" / "arriving" / upload.upload_id
        arriving.symlink_to("/dev/full")
        with pytest.raises(Exhausted) as refusal:
            await service.evidence().UploadEvidence(pieces(upload.upload_id))
        assert refusal.value.reason == "DISK_FULL"
        arriving.unlink()
        assert (await service.evidence().UploadEvidence(pieces(upload.upload_id))).HasField("evidence")
