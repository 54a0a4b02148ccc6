"""Which file may be read where: by those who take part, where the unit that sent it has attached it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from liangfa_joint_meeting.commands.file_commands import kept_key
from liangfa_joint_meeting.commands.tasking import task_stream
from liangfa_joint_meeting.errors import FileNotFound, FileNotKept, MeetingNotFound, TaskNotFound
from liangfa_joint_meeting.meetings import meeting_stream
from liangfa_joint_meeting.queries import consulting
from liangfa_joint_meeting.queries.meeting import meeting
from liangfa_joint_meeting.records import consultation_stream
from liangfa_joint_meeting.tables import consultations, kept_files, messages, tasks
from liangfa_kit.identity import Actor
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import file_service_pb2
from liangfa_protos.joint_meeting.v1 import meeting_pb2 as meeting_pb


@dataclass(frozen=True, slots=True)
class Attached:
    """A file where it was attached: the journal stream of that, and the unit that has sent it."""

    stream: str
    unit_id: str
    file: pb.FileReference


def attached(connection: sa.Connection, request: file_service_pb2.ReadFileRequest, caller: Actor) -> Attached:
    """Return the file that the caller may read.

    Raises `ConsultationNotFound`, `MeetingNotFound`, `TaskNotFound` for those who take no part, `FileNotFound` for what is
    not attached there (any more), `FileNotKept` for a mere reference.
    """
    places = {"consultation_id": _in_consultation, "meeting_id": _in_meeting, "task_id": _in_task}
    place = places.get(request.WhichOneof("attached_to") or "")
    if place is None:
        raise FileNotFound(request.sha256)
    found = next((one for one in place(connection, request, caller) if one.file.sha256 == request.sha256), None)
    if found is None:
        raise FileNotFound(request.sha256)
    if not is_kept(connection, found.unit_id, found.file.sha256):
        raise FileNotKept(found.file.name)
    return found


def is_kept(connection: sa.Connection, unit_id: str, sha256: str) -> bool:
    """Tell whether the unit has sent the file."""
    query = sa.select(kept_files.c.id).where(kept_files.c.id == kept_key(unit_id, sha256))
    return connection.execute(query).first() is not None


def _of(stream: str, unit_id: str, files: Iterable[pb.FileReference]) -> Iterator[Attached]:
    return (Attached(stream, unit_id, file) for file in files)


def _in_consultation(
    connection: sa.Connection, request: file_service_pb2.ReadFileRequest, caller: Actor
) -> Iterator[Attached]:
    """Yield files of the question, or of one message; after the end only to who asked, and to who has sent them."""
    consulting.require_seat(connection, request.consultation_id, caller.agency_id)
    query = sa.select(consultations.c.body).where(consultations.c.id == request.consultation_id)
    about = pb.Consultation.FromString(connection.execute(query).scalar_one())
    asker, files = about.asked_by.agency_id, about.files
    sender = asker
    if request.sequence:
        query = sa.select(messages.c.body).where(
            messages.c.consultation_id == about.id, messages.c.sequence == request.sequence
        )
        message = pb.Message.FromString(connection.execute(query).scalar() or b"")
        sender, files = message.author.agency_id, message.files
    if about.state == pb.CONSULTATION_STATE_OPEN or caller.agency_id in {asker, sender}:
        yield from _of(consultation_stream(about.id), sender, files)


def _in_meeting(
    connection: sa.Connection, request: file_service_pb2.ReadFileRequest, caller: Actor
) -> Iterator[Attached]:
    found = meeting(connection, request.meeting_id, caller)
    for item in found.agenda:
        yield from _of(meeting_stream(found.id), item.unit_id, item.papers)


def _in_task(connection: sa.Connection, request: file_service_pb2.ReadFileRequest, caller: Actor) -> Iterator[Attached]:
    body = connection.execute(sa.select(tasks.c.body).where(tasks.c.id == request.task_id)).scalar()
    if body is None:
        raise TaskNotFound(request.task_id)
    task = meeting_pb.Task.FromString(body)
    try:
        meeting(connection, task.meeting_id, caller)
    except MeetingNotFound:
        raise TaskNotFound(task.id) from None
    yield from _of(task_stream(task.id), task.owner_unit_id, task.evidence)
