"""What every command on meetings asks first: membership, the state of the meeting, the convener."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

from liangfa_joint_meeting import errors
from liangfa_joint_meeting.meetings import day_text, meeting_stream
from liangfa_joint_meeting.tables import meeting_rules, meetings, tasks
from liangfa_kit.clock import BEIJING, to_micros
from liangfa_kit.store.port import Row
from liangfa_kit.work import Need, Work
from liangfa_protos.joint_meeting.v1 import meeting_pb2 as pb


def rule_of(work: Work, region: str) -> tuple[Row, pb.MeetingRule]:
    """Return the rule of a region of which the caller's unit is a member. Raises `NotAMember`."""
    row = work.row(meeting_rules, region)
    rule = pb.MeetingRule.FromString(row["body"]) if row else pb.MeetingRule()
    if row is None or work.actor.agency_id not in rule.member_unit_ids:
        raise errors.NotAMember
    return row, rule


def meeting_of(work: Work, meeting_id: str, *states: pb.MeetingState.ValueType) -> pb.Meeting:
    """Return a meeting of which the caller's unit is a member, in one of `states` when any are named."""
    row = work.row(meetings, meeting_id)
    meeting = pb.Meeting.FromString(row["body"]) if row else pb.Meeting()
    if work.actor.agency_id not in meeting.rule.member_unit_ids:
        raise errors.MeetingNotFound(meeting_id)
    if states and meeting.state not in states:
        raise errors.MeetingState(meeting_id, pb.MeetingState.Name(meeting.state).removeprefix("MEETING_STATE_"))
    return meeting


def conveners(work: Work, meeting_id: str, *states: pb.MeetingState.ValueType) -> pb.Meeting:
    """Do the same for the convener's unit. Raises `NotTheConvener` for another member."""
    meeting = meeting_of(work, meeting_id)
    if work.actor.agency_id != meeting.rule.convener_unit_id:
        raise errors.NotTheConvener
    return meeting_of(work, meeting_id, *states)


def present_at(meeting: pb.Meeting, unit_id: str) -> pb.Attendance:
    """Return the unit's attendance. Raises `NotPresent`."""
    for one in meeting.attendance:
        if one.unit_id == unit_id and one.is_present:
            return one
    raise errors.NotPresent


def item_of(meeting: pb.Meeting, item_id: str) -> pb.AgendaItem:
    """Return an agenda item, to be changed in place. Raises `ItemNotFound`."""
    for item in meeting.agenda:
        if item.id == item_id:
            return item
    raise errors.ItemNotFound(item_id)


def save_meeting(work: Work, meeting: pb.Meeting) -> None:
    """Save a meeting."""
    work.save(
        meetings,
        {
            "id": meeting.id,
            "region": meeting.region,
            "starts_at": meeting.starts_at.ToMicroseconds(),
            "state": meeting.state,
            "body": meeting.SerializeToString(deterministic=True),
        },
    )


def save_task(work: Work, task: pb.Task, next_alarm_at: int | None) -> None:
    """Save a task."""
    work.save(
        tasks,
        {
            "id": task.id,
            "region": task.region,
            "owner_unit_id": task.owner_unit_id,
            "state": task.state,
            "due_at": due_at(task.due_on),
            "next_alarm_at": next_alarm_at,
            "body": task.SerializeToString(deterministic=True),
            "case_id": task.case_id,
            "given_at": task.given_at.ToMicroseconds(),
            "awaits_step": None if task.state == pb.TASK_STATE_DONE else task.required_step or None,
        },
    )


def due_at(due_on: str) -> int:
    """Return the first instant that is too late, in microseconds UTC: midnight in Beijing after the day."""
    day = day_text(due_on)
    if day is None:
        raise ValueError(f"not a date: {due_on}")
    return to_micros(datetime.combine(day + timedelta(days=1), time(), BEIJING))


def meeting_needs(request: Any) -> Sequence[Need]:
    """Return the meeting of a request."""
    return (Need(meetings, "id", (request.meeting_id,)),)


def meeting_streams(request: Any) -> Sequence[str]:
    """Return the stream of a request's meeting."""
    return (meeting_stream(request.meeting_id),)
