"""Who takes part in a consultation: what every command asks first, and units that come and go."""

from __future__ import annotations

from typing import Any

from liangfa_joint_meeting import errors
from liangfa_joint_meeting.records import seat_key
from liangfa_joint_meeting.reply_clock import RULE_ID, ReplyRule
from liangfa_joint_meeting.tables import consultations, participants, reply_clocks, units
from liangfa_kit.clock import to_micros
from liangfa_kit.store.port import Row
from liangfa_kit.work import Work
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb


def taking_part(work: Work, consultation_id: str) -> tuple[Row, Row]:
    """Return the rows of the consultation and of the caller's unit in it.

    Raises `ConsultationNotFound` for whoever takes no part, or no longer, exactly as for one that does not exist.
    """
    row = work.row(consultations, consultation_id)
    mine = next((one for one in _present(work, consultation_id) if one["unit_id"] == work.actor.agency_id), None)
    if row is None or mine is None:
        raise errors.ConsultationNotFound(consultation_id)
    return row, mine


def open_part(work: Work, consultation_id: str) -> tuple[Row, Row]:
    """Do the same, and raise `ConsultationClosed` unless the consultation is open."""
    row, mine = taking_part(work, consultation_id)
    if row["state"] != pb.CONSULTATION_STATE_OPEN:
        raise errors.ConsultationClosed(consultation_id)
    return row, mine


def askers_part(work: Work, consultation_id: str) -> Row:
    """Return the consultation's row, or raise `NotTheAsker` for another participant."""
    row, mine = taking_part(work, consultation_id)
    if mine["role"] != pb.PARTICIPANT_ROLE_ASKER:
        raise errors.NotTheAsker
    return row


def seat_of(work: Work, consultation_id: str, unit_id: str) -> Row | None:
    """Return the unit's seat, present or not; None when it never took part."""
    seats = work.rows(participants, "consultation_id", consultation_id)
    return next((seat for seat in seats if seat["unit_id"] == unit_id), None)


def _present(work: Work, consultation_id: str) -> list[Row]:
    return [row for row in work.rows(participants, "consultation_id", consultation_id) if row["is_present"]]


def admit(work: Work, consultation_id: str, unit_id: str, role: pb.ParticipantRole.ValueType) -> dict[str, Any]:
    """Let an enrolled unit take part, again if it left before; return its row. Raises `UnitUnknown`."""
    unit = work.row(units, unit_id)
    if unit is None or not unit["is_active"]:
        raise errors.UnitUnknown(unit_id)
    row = {
        "id": seat_key(consultation_id, unit_id),
        "consultation_id": consultation_id,
        "unit_id": unit_id,
        "unit_name": unit["name"],
        "region": unit["region"],
        "role": role,
        "is_present": True,
        "joined_at": to_micros(work.now),
        "left_at": None,
    }
    work.save(participants, row)
    return row


def start_clock(work: Work, rule: ReplyRule, participant: Row) -> Row:
    """Start the limit for a consulted unit's written answer; return its row."""
    limit = rule.limit(work.now)
    clock = {
        "id": work.new_id(),
        "consultation_id": participant["consultation_id"],
        "unit_id": participant["unit_id"],
        "unit_name": participant["unit_name"],
        "region": participant["region"],
        "rule_id": RULE_ID,
        "started_at": to_micros(work.now),
        "due_at": limit.due_at,
        "answered_at": None,
        "ended_at": None,
        "reminded_at": None,
        "escalated_at": None,
        "next_alarm_at": limit.remind_at,
    }
    work.save(reply_clocks, clock)
    return clock


def end_clocks(work: Work, consultation_id: str, unit_id: str | None = None, *, is_answered: bool = False) -> None:
    """Stop the running limits of a consultation, or of one unit in it: answered, or no longer owed."""
    now = to_micros(work.now)
    for clock in work.rows(reply_clocks, "consultation_id", consultation_id):
        if clock["ended_at"] is None and unit_id in {None, clock["unit_id"]}:
            answered = now if is_answered else None
            ended = {**clock, "ended_at": now, "answered_at": answered, "next_alarm_at": None}
            work.save(reply_clocks, ended)


def running_clocks(work: Work, consultation_id: str) -> list[Row]:
    """Return the limits that run: whose units still owe an answer."""
    return [one for one in work.rows(reply_clocks, "consultation_id", consultation_id) if one["ended_at"] is None]
