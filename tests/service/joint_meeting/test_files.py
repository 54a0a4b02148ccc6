"""Files of consultations and meetings: sent whole or resumed, read by those who take part, and no longer than they do."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from liangfa_joint_meeting.queries.files import journalled_files
from liangfa_joint_meeting.rpc.file_servicer import MAX_FILE_BYTES
from liangfa_joint_meeting.wiring import files_path
from liangfa_kit.errors import NotFound, PlatformError, Unavailable
from liangfa_kit.identity import Actor
from liangfa_kit.objects import FolderStore
from liangfa_kit.verify import file_faults
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2
from liangfa_protos.joint_meeting.v1 import file_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as meeting_rpc
from liangfa_protos.joint_meeting.v1.file_service_pb2_grpc import FileServiceStub
from tests.consulting import ECOLOGY, FAR_POLICE, MARKET, POLICE, PROCURATOR, Service, person, running_service
from tests.service.joint_meeting.test_meetings import room

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("every_database")]
CONTENT = "价格鉴定意见：三万元。".encode() * 100_000
COURT = person("court", "judge")


def reference(content: bytes = CONTENT, name: str = "价格鉴定.pdf") -> pb.FileReference:
    sha256 = hashlib.sha256(content).hexdigest()
    return pb.FileReference(name=name, media_type="application/pdf", size_bytes=len(content), sha256=sha256)


async def send(
    service: Service, content: bytes = CONTENT, by: Actor = MARKET, *, begin: int = 0, end: int | None = None
) -> rpc.SendFileResponse:
    """Send the bytes from `begin` to `end` in pieces, announced as the whole content."""
    file = reference(content)

    async def pieces() -> AsyncIterator[rpc.SendFileRequest]:
        part = content[begin:end]
        for offset in range(0, len(part), 500_000):
            yield rpc.SendFileRequest(file=file, offset=begin + offset, content=part[offset : offset + 500_000])

    stub: Any = FileServiceStub(service.channel(by))
    found: rpc.SendFileResponse = await stub.SendFile(pieces())
    return found


async def read(service: Service, by: Actor, sha256: str, *, offset: int = 0, **where: Any) -> bytes:
    stub: Any = FileServiceStub(service.channel(by))
    request = rpc.ReadFileRequest(sha256=sha256, offset=offset, **where)
    return b"".join([piece.content async for piece in stub.ReadFile(request)])


async def refused(service: Service, by: Actor, sha256: str, **where: Any) -> str:
    with pytest.raises(NotFound) as error:
        await read(service, by, sha256, **where)
    return str(error.value.reason)


async def test_a_file_of_a_question_is_read_by_who_takes_part_and_while_it_lasts(tmp_path: Path) -> None:
    """From the beginning or from the middle; not by strangers, nor after leaving, nor after the end but by the asker."""
    async with running_service(tmp_path) as service:
        file = (await send(service)).file
        asked = await service.ask(files=[file], invited_unit_ids=["ecology"])
        where: dict[str, Any] = {"consultation_id": asked.id}
        assert await read(service, POLICE, file.sha256, **where) == CONTENT
        assert await read(service, POLICE, file.sha256, offset=1_000_003, **where) == CONTENT[1_000_003:]
        for stranger in (COURT, FAR_POLICE, PROCURATOR):
            assert await refused(service, stranger, file.sha256, **where) == "CONSULTATION_NOT_FOUND"
        assert await refused(service, POLICE, "1" * 64, **where) == "FILE_NOT_FOUND"
        assert await read(service, ECOLOGY, file.sha256, **where) == CONTENT
        await service.leave(asked.id, MARKET, "ecology")
        assert await refused(service, ECOLOGY, file.sha256, **where) == "CONSULTATION_NOT_FOUND"
        await service.close(asked.id)
        assert await refused(service, POLICE, file.sha256, **where) == "FILE_NOT_FOUND"
        assert await read(service, MARKET, file.sha256, **where) == CONTENT
        readers = [event.sha256 for event in await service.events("FileRead")]
        assert readers == [file.sha256] * 4


async def test_an_upload_that_broke_off_goes_on_where_it_ended(tmp_path: Path) -> None:
    """What arrived is known; the same file again changes nothing; two units that send it do not meet."""
    async with running_service(tmp_path) as service:
        assert (await send(service, end=1_200_000)).received_bytes == 1_200_000
        stub: Any = FileServiceStub(service.channel(MARKET))
        asked = rpc.GetArrivalRequest(sha256=reference().sha256)
        arrival = await stub.GetArrival(asked)
        assert (arrival.received_bytes, arrival.is_kept) == (1_200_000, False)
        assert not (await FileServiceStub(service.channel(POLICE)).GetArrival(asked)).received_bytes
        with pytest.raises(PlatformError) as wrong:
            await send(service, begin=5)
        assert wrong.value.reason == "OFFSET_MISMATCH"
        assert (await send(service, begin=1_200_000)).file == reference()
        assert (await stub.GetArrival(asked)).is_kept
        assert (await send(service)).file == reference()
        assert (await send(service, by=POLICE)).file == reference()
        assert [event.unit_id for event in await service.events("FileKept")] == ["market", "police"]
        store = FolderStore(files_path(tmp_path))
        named = await service.parts.store.read(lambda c: list(journalled_files(c)))
        assert (len(named), [fault async for fault in file_faults(store, named)]) == (2, [])


async def test_bytes_that_are_not_the_announced_file_are_refused(tmp_path: Path) -> None:
    """Altered, too many, too large, or without a name: each with its reason, and nothing may be attached."""
    async with running_service(tmp_path) as service:
        stub: Any = FileServiceStub(service.channel(MARKET))

        async def sent(file: pb.FileReference, content: bytes) -> str:
            async def piece() -> AsyncIterator[rpc.SendFileRequest]:
                yield rpc.SendFileRequest(file=file, content=content)

            with pytest.raises(PlatformError) as error:
                await stub.SendFile(piece())
            return str(error.value.reason)

        small = reference(b"abc")
        assert await sent(small, b"abd") == "CONTENT_MISMATCH"
        assert await sent(small, b"abcd") == "FILE_TOO_LARGE"
        huge = pb.FileReference(name="x", size_bytes=MAX_FILE_BYTES + 1, sha256="0" * 64)
        assert await sent(huge, b"a") == "FILE_TOO_LARGE"
        assert await sent(pb.FileReference(name="", size_bytes=1, sha256="0" * 64), b"a") == "FIELD_REQUIRED"
        assert await sent(pb.FileReference(), b"a") == "FIELD_REQUIRED"
        assert await service.events("FileKept") == []


async def test_who_knows_a_hash_cannot_read_what_others_keep(tmp_path: Path) -> None:
    """A unit that attaches another unit's file by its hash has named it, no more."""
    async with running_service(tmp_path) as service:
        await send(service, by=POLICE)
        mine = await service.ask(files=[reference()])
        assert await refused(service, MARKET, reference().sha256, consultation_id=mine.id) == "FILE_NOT_KEPT"


async def test_a_file_said_with_a_message_is_read_by_its_sequence(tmp_path: Path) -> None:
    """It is the sender's file, not the asker's."""
    async with running_service(tmp_path) as service:
        asked = await service.ask()
        file = (await send(service, by=POLICE)).file
        request = consultation_service_pb2.SendMessageRequest(
            request_id="m", consultation_id=asked.id, text="见附件", files=[file]
        )
        message = (await service.consult(POLICE).SendMessage(request)).message
        where: dict[str, Any] = {"consultation_id": asked.id, "sequence": message.sequence}
        assert await read(service, MARKET, file.sha256, **where) == CONTENT
        assert await refused(service, COURT, file.sha256, **where) == "CONSULTATION_NOT_FOUND"
        assert await refused(service, MARKET, file.sha256, consultation_id=asked.id, sequence=999) == "FILE_NOT_FOUND"


async def test_papers_and_proofs_are_read_by_the_members_of_the_meeting(tmp_path: Path) -> None:
    """Papers of an item by its proposer, evidence of a task by its owner; nobody else learns that they are."""
    async with room(tmp_path, needs_vote=False) as meetings:
        service = meetings.service
        paper, proof = (await send(service)).file, (await send(service, b"done", POLICE)).file
        await meetings.do(MARKET, "ProposeItem", title="事项", papers=[paper])
        meeting = await meetings.convene()
        assert await read(service, POLICE, paper.sha256, meeting_id=meeting.id) == CONTENT
        assert await refused(service, COURT, paper.sha256, meeting_id=meeting.id) == "MEETING_NOT_FOUND"
        await meetings.open()
        draft = meeting_rpc.TaskDraft(owner_unit_id="police", text="办", due_on="2026-12-01")
        item = meeting.agenda[0].id
        (task,) = (await meetings.do(PROCURATOR, "AdoptResolution", item_id=item, text="议", tasks=[draft])).tasks
        await meetings.do(POLICE, "ReportTask", task_id=task.id, reply="已办", evidence=[proof])
        assert await read(service, MARKET, proof.sha256, task_id=task.id) == b"done"
        for where in ({"task_id": task.id}, {"task_id": "0190"}):
            assert await refused(service, COURT, proof.sha256, **where) == "TASK_NOT_FOUND"


async def test_without_the_record_evidence_cannot_be_copied(tmp_path: Path) -> None:
    """It is said so, and what to do instead."""
    async with running_service(tmp_path) as service:
        stub: Any = FileServiceStub(service.channel(MARKET))
        with pytest.raises(Unavailable) as error:
            await stub.CopyEvidence(rpc.CopyEvidenceRequest(case_id="c", evidence_id="e", purpose="咨询"))
        assert error.value.reason == "RECORD_NOT_REACHABLE"
