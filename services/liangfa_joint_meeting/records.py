"""Consultations as rows, streams and events. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import orjson

from liangfa_joint_meeting.tables import (
    MESSAGE_TEXT,
    answers,
    consultations,
    conversations,
    messages,
    participants,
    reply_clocks,
)
from liangfa_kit.identity import Actor
from liangfa_kit.store.port import Row
from liangfa_kit.work import Need, Work
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import events_pb2
from liangfa_protos.standards.v1 import values_pb2

STANDING_ZH = "本答复仅供参考，属咨询意见，不是决定，不替代移送、立案等法定程序。"
STANDING_EN = "This is advice, not a decision: it replaces no transfer, filing or other statutory step."


def consultation_stream(consultation_id: str) -> str:
    """Return the journal stream of a consultation."""
    return f"consultation/{consultation_id}"


def seat_key(consultation_id: str, unit_or_person_id: str) -> str:
    """Return the primary key of a unit's participation or a person's mark."""
    return f"{consultation_id}/{unit_or_person_id}"


def actor_of(actor: Actor) -> values_pb2.Actor:
    """Return who acts, as journalled."""
    return values_pb2.Actor(
        person_id=actor.person_id, person_name=actor.person_name, agency_id=actor.agency_id, region=actor.region
    )


def stored(row: Row) -> pb.Consultation:
    """Return the consultation in a row of `consultations`, without its lists."""
    return pb.Consultation.FromString(row["body"])


def consultation_row(consultation: pb.Consultation) -> dict[str, Any]:
    """Return the row of a consultation; its lists are kept in tables of their own."""
    bare = pb.Consultation()
    bare.CopyFrom(consultation)
    for name in ("participants", "answers", "last_sequence"):
        bare.ClearField(name)
    return {
        "id": consultation.id,
        "asker_unit_id": consultation.asked_by.agency_id,
        "region": consultation.asked_by.region,
        "case_id": consultation.case_id,
        "state": consultation.state,
        "asked_at": consultation.asked_at.ToMicroseconds(),
        "body": bare.SerializeToString(deterministic=True),
    }


def question_text(consultation: pb.Consultation) -> str:
    """Return the text by which a question is found."""
    parts = (consultation.title, consultation.question, consultation.cause, consultation.offence_name_zh)
    return "\n".join(parts)


def summary(consultation: pb.Consultation) -> events_pb2.ConsultationSummary:
    """Return what every event of a consultation repeats."""
    return events_pb2.ConsultationSummary(
        consultation_id=consultation.id,
        kind=consultation.kind,
        title=consultation.title,
        asker_unit_id=consultation.asked_by.agency_id,
        asker_unit_name=consultation.asker_unit_name,
        region=consultation.asked_by.region,
        case_id=consultation.case_id,
        urgency=consultation.urgency,
    )


def consultation_needs(consultation_id: str) -> tuple[Need, ...]:
    """Return everything that belongs to a consultation but its messages and marks."""
    return (
        Need(consultations, "id", (consultation_id,)),
        Need(conversations, "consultation_id", (consultation_id,)),
        Need(participants, "consultation_id", (consultation_id,)),
        Need(reply_clocks, "consultation_id", (consultation_id,)),
        Need(answers, "consultation_id", (consultation_id,)),
    )


def to_participant(row: Row, clocks: Iterable[Row]) -> pb.Participant:
    """Return a participant with its newest reply clock."""
    found = pb.Participant(unit_id=row["unit_id"], unit_name=row["unit_name"], region=row["region"], role=row["role"])
    found.joined_at.FromMicroseconds(row["joined_at"])
    if not row["is_present"]:
        found.left_at.FromMicroseconds(row["left_at"])
    mine = [clock for clock in clocks if clock["unit_id"] == row["unit_id"]]
    if mine:
        clock = max(mine, key=lambda one: (one["started_at"], one["id"]))
        for name, column in (
            ("reply_due_at", "due_at"), ("answered_at", "answered_at"),
            ("reminded_at", "reminded_at"), ("escalated_at", "escalated_at"),
        ):  # fmt: skip
            if clock[column] is not None:
                getattr(found, name).FromMicroseconds(clock[column])
    return found


def whole(work: Work, row: Row) -> pb.Consultation:
    """Return a consultation with its lists, as a handler sees it now."""
    return assembled(
        row,
        work.row(conversations, row["id"]),
        work.rows(participants, "consultation_id", row["id"]),
        work.rows(reply_clocks, "consultation_id", row["id"]),
        work.rows(answers, "consultation_id", row["id"]),
    )


def assembled(
    row: Row, conversation: Row | None, units: Iterable[Row], clocks: Iterable[Row], given: Iterable[Row]
) -> pb.Consultation:
    """Return a consultation put together from its rows."""
    consultation = stored(row)
    owed = list(clocks)
    ordered = sorted(units, key=lambda one: (one["role"], one["joined_at"], one["unit_id"]))
    consultation.participants.extend(to_participant(unit, owed) for unit in ordered)
    by_time = sorted(given, key=lambda one: (one["signed_at"], one["id"]))
    consultation.answers.extend(pb.Answer.FromString(one["body"]) for one in by_time)
    consultation.last_sequence = conversation["last_sequence"] if conversation else 0
    return consultation


def shown_to(consultation: pb.Consultation, unit_id: str) -> pb.Consultation:
    """Hide what other units may see only while the question is open: facts, files and the case, in place; return it."""
    if consultation.state == pb.CONSULTATION_STATE_CLOSED and unit_id != consultation.asked_by.agency_id:
        for name in ("facts", "files", "case_id", "screening_id"):
            consultation.ClearField(name)
    return consultation


def answer_row(answer: pb.Answer) -> dict[str, Any]:
    """Return the row of an answer."""
    return {
        "id": answer.id,
        "consultation_id": answer.consultation_id,
        "unit_id": answer.unit_id,
        "year": answer.year,
        "number": answer.number,
        "signed_at": answer.signed_at.ToMicroseconds(),
        "outcome": answer.outcome,
        "body": answer.SerializeToString(deterministic=True),
    }


def answer_hash(answer: pb.Answer) -> str:
    """Return the SHA-256 of what the signer signs, as 64 hexadecimal digits.

    The bytes are a compact JSON array: consultation, unit, document number, view, grounds, signer's person id and name,
    signing instant in microseconds UTC, standing.
    """
    signed = [
        answer.consultation_id, answer.unit_id, answer.document_number, answer.view, answer.grounds,
        answer.signer.person_id, answer.signer.person_name, answer.signed_at.ToMicroseconds(), answer.standing_zh,
    ]  # fmt: skip
    return hashlib.sha256(orjson.dumps(signed)).hexdigest()


def append(
    work: Work,
    consultation_id: str,
    kind: pb.MessageKind.ValueType,
    *,
    text: str,
    by: Actor | None = None,
    files: Iterable[pb.FileReference] = (),
    client_message_id: str = "",
    answer_id: str = "",
) -> pb.Message:
    """Append a line to a conversation and return it. `by` None is the platform itself."""
    row = work.row(conversations, consultation_id)
    sequence = (row["last_sequence"] if row else 0) + 1
    message = pb.Message(
        id=work.new_id(),
        consultation_id=consultation_id,
        sequence=sequence,
        kind=kind,
        author=actor_of(by) if by else None,
        unit_name=by.agency_name if by else "",
        text=text,
        files=files,
        client_message_id=client_message_id,
        answer_id=answer_id,
    )
    message.sent_at.FromDatetime(work.now)
    is_open = row["is_open"] if row else True
    end = {"consultation_id": consultation_id, "last_sequence": sequence, "is_open": is_open}
    work.save(conversations, end)
    work.save(
        messages,
        {
            "id": message.id,
            "consultation_id": consultation_id,
            "sequence": sequence,
            "author_person_id": by.person_id if by else "",
            "body": message.SerializeToString(deterministic=True),
        },
    )
    if text:
        work.index(MESSAGE_TEXT, message.id, text)
    return message
