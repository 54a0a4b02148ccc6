"""What is said, and how far it was delivered and read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from liangfa_joint_meeting import errors
from liangfa_joint_meeting import validation as v
from liangfa_joint_meeting.records import append, consultation_stream, seat_key
from liangfa_joint_meeting.tables import conversations, marks, participants
from liangfa_kit.identity import Actor
from liangfa_kit.store.port import Row
from liangfa_kit.work import Handler, Need, Work
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1 import events_pb2


@dataclass(frozen=True, slots=True)
class Say:
    """Say something in a consultation, as a person of `unit_id`."""

    consultation_id: str
    unit_id: str
    text: str
    files: Sequence[pb.FileReference]
    client_message_id: str


@dataclass(frozen=True, slots=True)
class Reached:
    """How far one person's copy of a conversation has come."""

    consultation_id: str
    by: Actor
    delivered_sequence: int
    read_sequence: int

    @property
    def key(self) -> str:
        """The key of the person's mark."""
        return seat_key(self.consultation_id, self.by.person_id)


@dataclass(frozen=True, slots=True)
class MoveMarks:
    """Move several persons' marks forward in one command. Whoever takes no part any more is passed over."""

    reached: Sequence[Reached]


def _say(command: Say, work: Work) -> rpc.SendMessageResponse:
    end = work.row(conversations, command.consultation_id)
    seat = work.row(participants, seat_key(command.consultation_id, command.unit_id))
    if end is None or seat is None or not seat["is_present"]:
        raise errors.ConsultationNotFound(command.consultation_id)
    if not end["is_open"]:
        raise errors.ConsultationClosed(command.consultation_id)
    v.check(v.text("text", command.text, v.MAX_MESSAGE, is_required=not command.files), v.files("files", command.files))
    message = append(
        work, command.consultation_id, pb.MESSAGE_KIND_TEXT, text=command.text, by=work.actor,
        files=command.files, client_message_id=command.client_message_id,
    )  # fmt: skip
    work.record(consultation_stream(command.consultation_id), events_pb2.MessageSent(message=message))
    return rpc.SendMessageResponse(message=message)


def _move(command: MoveMarks, work: Work) -> rpc.MarksMoved:
    """Move marks. They are not journalled: the journal would hold ten times as many marks as messages (ADR 0013)."""
    return rpc.MarksMoved(marks=[_moved(one, work) for one in command.reached])


def _moved(reached: Reached, work: Work) -> pb.Mark:
    """Return the person's mark after the change; an empty one where the unit takes no part."""
    end = work.row(conversations, reached.consultation_id)
    seat = work.row(participants, seat_key(reached.consultation_id, reached.by.agency_id))
    if end is None or seat is None or not seat["is_present"]:
        return pb.Mark()
    before = work.row(marks, reached.key)
    read = _forward(before, "read_sequence", reached.read_sequence, end["last_sequence"])
    delivered = max(read, _forward(before, "delivered_sequence", reached.delivered_sequence, end["last_sequence"]))
    if before is None or (before["delivered_sequence"], before["read_sequence"]) != (delivered, read):
        row = {
            "id": reached.key,
            "consultation_id": reached.consultation_id,
            "person_id": reached.by.person_id,
            "person_name": reached.by.person_name,
            "unit_id": reached.by.agency_id,
            "delivered_sequence": delivered,
            "read_sequence": read,
        }
        work.save(marks, row)
    return pb.Mark(
        person_id=reached.by.person_id,
        person_name=reached.by.person_name,
        unit_id=reached.by.agency_id,
        delivered_sequence=delivered,
        read_sequence=read,
    )


def _forward(before: Row | None, column: str, asked: int, last: int) -> int:
    """Return the later of what is stored and what is asked: never past the end, never backwards."""
    return max(before[column] if before else 0, min(asked, last))


def _say_needs(command: Say) -> Sequence[Need]:
    return (
        Need(conversations, "consultation_id", (command.consultation_id,)),
        Need(participants, "id", (seat_key(command.consultation_id, command.unit_id),)),
    )


def _mark_needs(command: MoveMarks) -> Sequence[Need]:
    if not command.reached:
        return ()
    return (
        Need(conversations, "consultation_id", _each(one.consultation_id for one in command.reached)),
        Need(participants, "id", _each(seat_key(one.consultation_id, one.by.agency_id) for one in command.reached)),
        Need(marks, "id", _each(one.key for one in command.reached)),
    )


def _each(keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(keys))


SAY = Handler(
    "SendMessage", _say, rpc.SendMessageResponse, _say_needs, lambda c: (consultation_stream(c.consultation_id),)
)
MARK = Handler("MarkMessages", _move, rpc.MarksMoved, _mark_needs)
