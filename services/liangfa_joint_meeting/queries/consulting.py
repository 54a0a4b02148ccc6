"""Reading consultations, always as a unit that takes part in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from liangfa_joint_meeting.errors import ConsultationNotFound
from liangfa_joint_meeting.records import assembled, shown_to
from liangfa_joint_meeting.tables import (
    MESSAGE_TEXT,
    QUESTION_TEXT,
    answers,
    consultations,
    conversations,
    marks,
    messages,
    participants,
    reply_clocks,
    units,
)
from liangfa_kit.identity import Actor
from liangfa_kit.paging import from_token, page_size, to_token
from liangfa_kit.store.port import Store
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as it is kept: its place and its serialised form."""

    sequence: int
    body: bytes


def seat(consultation_id: str, unit_id: str) -> sa.ColumnElement[bool]:
    """Return the condition that a row of `participants` is the unit's present seat."""
    return sa.and_(
        participants.c.consultation_id == consultation_id,
        participants.c.unit_id == unit_id,
        participants.c.is_present.is_(True),
    )


def require_seat(connection: sa.Connection, consultation_id: str, unit_id: str) -> None:
    """Raise `ConsultationNotFound` unless the unit takes part now."""
    if connection.execute(sa.select(participants.c.id).where(seat(consultation_id, unit_id))).first() is None:
        raise ConsultationNotFound(consultation_id)


def consultation(connection: sa.Connection, consultation_id: str, caller: Actor) -> rpc.GetConsultationResponse:
    """Return a consultation as the caller's unit may see it. Raises `ConsultationNotFound`."""
    require_seat(connection, consultation_id, caller.agency_id)
    query = sa.select(consultations).where(consultations.c.id == consultation_id)
    row: Any = connection.execute(query).mappings().one()

    def of(table: sa.Table) -> Sequence[Any]:
        query = sa.select(table).where(table.c.consultation_id == consultation_id)
        return connection.execute(query).mappings().all()

    (end,) = of(conversations)
    found = assembled(row, end, of(participants), of(reply_clocks), of(answers))
    moved = sorted(of(marks), key=lambda one: one["person_id"])
    present = {one.unit_id for one in found.participants if not one.HasField("left_at")}
    return rpc.GetConsultationResponse(
        consultation=shown_to(found, caller.agency_id),
        marks=[to_mark(one) for one in moved if one["unit_id"] in present],
    )


def to_mark(row: Any) -> pb.Mark:
    """Return a stored mark."""
    return pb.Mark(
        person_id=row["person_id"],
        person_name=row["person_name"],
        unit_id=row["unit_id"],
        delivered_sequence=row["delivered_sequence"],
        read_sequence=row["read_sequence"],
    )


def message_page(
    connection: sa.Connection, consultation_id: str, unit_id: str, after: int, limit: int
) -> list[StoredMessage]:
    """Return at most `limit` messages after the sequence. Raises `ConsultationNotFound` unless the unit takes part."""
    require_seat(connection, consultation_id, unit_id)
    query = (
        sa.select(messages.c.sequence, messages.c.body)
        .where(messages.c.consultation_id == consultation_id, messages.c.sequence > after)
        .order_by(messages.c.sequence)
        .limit(limit)
    )
    return [StoredMessage(*row) for row in connection.execute(query)]


def last_sequence(connection: sa.Connection, consultation_id: str) -> int:
    """Return the sequence of the newest message."""
    query = sa.select(conversations.c.last_sequence).where(conversations.c.consultation_id == consultation_id)
    return int(connection.execute(query).scalar() or 0)


def ends(connection: sa.Connection, keys: Sequence[str]) -> dict[str, int]:
    """Return the sequence of the newest message of each of these consultations."""
    query = sa.select(conversations).where(conversations.c.consultation_id.in_(keys))
    return {row.consultation_id: row.last_sequence for row in connection.execute(query)}


def listed(
    connection: sa.Connection, store: Store, caller: Actor, request: rpc.ListConsultationsRequest
) -> rpc.ListConsultationsResponse:
    """Return a page of the consultations that the caller's unit takes part in, the newest question first."""
    mine = sa.and_(participants.c.unit_id == caller.agency_id, participants.c.is_present.is_(True))
    size = page_size(request.page_size, 50, 200)
    query = (
        sa.select(
            consultations.c.id,
            consultations.c.asked_at,
            consultations.c.state,
            consultations.c.body,
            participants.c.role,
            conversations.c.last_sequence,
            _unread(caller).label("unread"),
            _due(caller).label("due_at"),
        )
        .join(participants, participants.c.consultation_id == consultations.c.id)
        .join(conversations, conversations.c.consultation_id == consultations.c.id)
        .where(mine, *_conditions(store, caller, request))
        .order_by(consultations.c.asked_at.desc(), consultations.c.id.desc())
        .limit(size + 1)
    )
    if request.page_token:
        at, key = from_token(request.page_token, int, str)
        older = consultations.c.asked_at < at
        query = query.where(sa.or_(older, sa.and_(consultations.c.asked_at == at, consultations.c.id < key)))
    rows = connection.execute(query).mappings().all()
    last = rows[size - 1] if len(rows) > size else None
    return rpc.ListConsultationsResponse(
        consultations=[_line(row) for row in rows[:size]],
        next_page_token=to_token(last["asked_at"], last["id"]) if last else "",
    )


def _conditions(store: Store, caller: Actor, request: rpc.ListConsultationsRequest) -> Iterator[sa.ColumnElement[bool]]:
    if request.state:
        yield consultations.c.state == request.state
    if request.role:
        yield participants.c.role == request.role
    if request.answer_owed:
        yield _due(caller).is_not(None)
    if request.text:
        asked, said = store.search(QUESTION_TEXT, request.text), store.search(MESSAGE_TEXT, request.text)
        if asked is None or said is None:
            yield sa.false()
        else:
            spoken = sa.select(messages.c.consultation_id).where(messages.c.id.in_(said))
            yield sa.or_(consultations.c.id.in_(asked), consultations.c.id.in_(spoken))


def _unread(caller: Actor) -> sa.ScalarSelect[int]:
    read = (
        sa.select(marks.c.read_sequence)
        .where(marks.c.consultation_id == consultations.c.id, marks.c.person_id == caller.person_id)
        .scalar_subquery()
    )
    return (
        sa.select(sa.func.count())
        .select_from(messages)
        .where(
            messages.c.consultation_id == consultations.c.id,
            messages.c.author_person_id != caller.person_id,
            messages.c.sequence > sa.func.coalesce(read, 0),
        )
        .correlate(consultations)
        .scalar_subquery()
    )


def _due(caller: Actor) -> sa.ScalarSelect[int | None]:
    return (
        sa.select(sa.func.min(reply_clocks.c.due_at))
        .where(
            reply_clocks.c.consultation_id == consultations.c.id,
            reply_clocks.c.unit_id == caller.agency_id,
            reply_clocks.c.ended_at.is_(None),
        )
        .correlate(consultations)
        .scalar_subquery()
    )


def _line(row: Any) -> rpc.ConsultationLine:
    found = pb.Consultation.FromString(row["body"])
    line = rpc.ConsultationLine(
        consultation_id=found.id,
        kind=found.kind,
        urgency=found.urgency,
        title=found.title,
        asker_unit_name=found.asker_unit_name,
        asked_at=found.asked_at,
        state=row["state"],
        role=row["role"],
        last_sequence=row["last_sequence"],
        unread=row["unread"],
    )
    if row["due_at"] is not None:
        line.reply_due_at.FromMicroseconds(row["due_at"])
    return line


def unit_page(connection: sa.Connection, prefix: str) -> list[bytes]:
    """Return the units whose division code begins with `prefix`, serialised, by id."""
    beginning = sa.func.substr(units.c.region, 1, len(prefix)) == prefix
    query = sa.select(units.c.body).where(*([beginning] if prefix else [])).order_by(units.c.id)
    return [row.body for row in connection.execute(query)]


def due_replies(connection: sa.Connection, now: int, limit: int) -> list[tuple[str, str]]:
    """Return the reply clocks (id, consultation id) of which something is due to be told, the earliest first."""
    query = (
        sa.select(reply_clocks.c.id, reply_clocks.c.consultation_id)
        .where(reply_clocks.c.next_alarm_at <= now)
        .order_by(reply_clocks.c.next_alarm_at)
        .limit(limit)
    )
    return [(row.id, row.consultation_id) for row in connection.execute(query)]
