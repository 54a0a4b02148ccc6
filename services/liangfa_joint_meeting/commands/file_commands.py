"""Commands on files: one was kept for a unit, one was read by somebody."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.empty_pb2 import Empty

from liangfa_joint_meeting.tables import kept_files
from liangfa_kit.work import Handler, Need, Work
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import events_pb2


@dataclass(frozen=True, slots=True)
class KeepFile:
    """Note that the caller's unit has sent `file` whole, or had it copied from `case_id`."""

    file: pb.FileReference
    unit_id: str
    case_id: str = ""


@dataclass(frozen=True, slots=True)
class NoteReading:
    """Note that the caller reads a file that `unit_id` has attached to what `stream` is the journal of."""

    stream: str
    sha256: str
    unit_id: str


def kept_key(unit_id: str, sha256: str) -> str:
    """Return the primary key of a file that a unit has sent."""
    return f"{unit_id}/{sha256}"


def _keep(command: KeepFile, work: Work) -> Empty:
    key = kept_key(command.unit_id, command.file.sha256)
    if work.row(kept_files, key) is None:
        work.save(kept_files, {"id": key, "size_bytes": command.file.size_bytes})
        event = events_pb2.FileKept(file=command.file, unit_id=command.unit_id, case_id=command.case_id)
        work.record(f"file/{key}", event)
    return Empty()


def _note(command: NoteReading, work: Work) -> Empty:
    work.record(command.stream, events_pb2.FileRead(sha256=command.sha256, unit_id=command.unit_id))
    return Empty()


KEEP = Handler("KeepFile", _keep, Empty, lambda c: (Need(kept_files, "id", (kept_key(c.unit_id, c.file.sha256),)),))
NOTE_READING = Handler("NoteReading", _note, Empty, streams=lambda c: (c.stream,))
