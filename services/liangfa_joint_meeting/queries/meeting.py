"""Reading meetings and tasks as a member; what is due to be told."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from liangfa_joint_meeting.errors import MeetingNotFound, NotAMember
from liangfa_joint_meeting.tables import (
    meeting_rules,
    meetings,
    special_requests,
    steps_seen,
    tasks,
)
from liangfa_kit.identity import Actor
from liangfa_kit.paging import from_token, page_size, to_token
from liangfa_kit.store.port import Row
from liangfa_protos.joint_meeting.v1 import meeting_pb2 as pb
from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as rpc


def rule_of(connection: sa.Connection, region: str, caller: Actor) -> tuple[Row, pb.MeetingRule]:
    """Return a region's rule as a member of it. Raises `NotAMember`."""
    query = sa.select(meeting_rules).where(meeting_rules.c.region == region)
    row: Any = connection.execute(query).mappings().first()
    rule = pb.MeetingRule.FromString(row["body"]) if row else pb.MeetingRule()
    if row is None or caller.agency_id not in rule.member_unit_ids:
        raise NotAMember
    return row, rule


def rule_state(connection: sa.Connection, region: str, caller: Actor) -> rpc.GetMeetingRuleResponse:
    """Return the rule, when the next regular meeting is due, and how many members ask for a special one."""
    row, rule = rule_of(connection, region, caller)
    asking = sa.select(sa.func.count(special_requests.c.unit_id.distinct())).where(
        special_requests.c.region == region, special_requests.c.is_open.is_(True)
    )
    reply = rpc.GetMeetingRuleResponse(rule=rule, special_requested=connection.execute(asking).scalar_one())
    reply.next_due_at.FromMicroseconds(row["next_due_at"])
    return reply


def meeting(connection: sa.Connection, meeting_id: str, caller: Actor) -> pb.Meeting:
    """Return a meeting as a member of it. Raises `MeetingNotFound`."""
    body = connection.execute(sa.select(meetings.c.body).where(meetings.c.id == meeting_id)).scalar()
    found = pb.Meeting.FromString(body) if body else pb.Meeting()
    if caller.agency_id not in found.rule.member_unit_ids:
        raise MeetingNotFound(meeting_id)
    return found


def meeting_page(connection: sa.Connection, caller: Actor, asked: int, token: str) -> rpc.ListMeetingsResponse:
    """Return a page of the meetings of the caller's region, the latest first, without their agenda."""
    rule_of(connection, caller.region, caller)
    size = page_size(asked, 20, 100)
    query = sa.select(meetings).where(meetings.c.region == caller.region)
    if token:
        at, key = from_token(token, int, str)
        earlier = meetings.c.starts_at < at
        query = query.where(sa.or_(earlier, sa.and_(meetings.c.starts_at == at, meetings.c.id < key)))
    order = (meetings.c.starts_at.desc(), meetings.c.id.desc())
    rows = connection.execute(query.order_by(*order).limit(size + 1)).all()
    found = [pb.Meeting.FromString(row.body) for row in rows[:size]]
    for one in found:
        for name in ("agenda", "figures", "minutes"):
            one.ClearField(name)
    mine = [one for one in found if caller.agency_id in one.rule.member_unit_ids]
    last = rows[size - 1] if len(rows) > size else None
    return rpc.ListMeetingsResponse(meetings=mine, next_page_token=to_token(last.starts_at, last.id) if last else "")


def task_list(connection: sa.Connection, caller: Actor, *, own: bool, include_done: bool) -> list[pb.Task]:
    """Return the tasks of the caller's region as a member, those due first first."""
    rule_of(connection, caller.region, caller)
    query = sa.select(tasks.c.body).where(tasks.c.region == caller.region).order_by(tasks.c.due_at, tasks.c.id)
    if own:
        query = query.where(tasks.c.owner_unit_id == caller.agency_id)
    if not include_done:
        query = query.where(tasks.c.state != pb.TASK_STATE_DONE)
    return [pb.Task.FromString(row.body) for row in connection.execute(query.limit(500))]


def meeting_of_task(connection: sa.Connection, task_id: str) -> str:
    """Return the meeting that gave a task; empty when there is none."""
    body = connection.execute(sa.select(tasks.c.body).where(tasks.c.id == task_id)).scalar()
    return pb.Task.FromString(body).meeting_id if body else ""


def region_of_meeting(connection: sa.Connection, meeting_id: str) -> str:
    """Return the region of a meeting; empty when there is none."""
    return str(connection.execute(sa.select(meetings.c.region).where(meetings.c.id == meeting_id)).scalar() or "")


def calendar_of(connection: sa.Connection, caller: Actor) -> tuple[list[pb.Meeting], list[pb.Task]]:
    """Return the meetings of the caller's region, and the tasks that are the caller's unit's to do or to judge."""
    _, rule = rule_of(connection, caller.region, caller)
    query = sa.select(meetings.c.body).where(meetings.c.region == caller.region).order_by(meetings.c.starts_at.desc())
    found = [pb.Meeting.FromString(row.body) for row in connection.execute(query.limit(200))]
    own = caller.agency_id != rule.convener_unit_id
    return found, task_list(connection, caller, own=own, include_done=False)


def due_tasks(connection: sa.Connection, now: int, limit: int) -> list[str]:
    """Return the tasks of which something is due to be told."""
    query = sa.select(tasks.c.id).where(tasks.c.next_alarm_at <= now).order_by(tasks.c.next_alarm_at).limit(limit)
    return [row.id for row in connection.execute(query)]


def due_regions(connection: sa.Connection, now: int, limit: int) -> list[str]:
    """Return the regions whose convener is due to be reminded."""
    rule = meeting_rules.c
    query = sa.select(rule.region).where(rule.next_alarm_at <= now).order_by(rule.next_alarm_at).limit(limit)
    return [row.region for row in connection.execute(query)]


def done_tasks(connection: sa.Connection, _now: int, limit: int) -> list[tuple[str, str]]:
    """Return tasks whose required step was seen, each with the step: taken by the owner, entered since it was given."""
    task, step = tasks.c, steps_seen.c
    taken = sa.and_(step.case_id == task.case_id, step.step == task.awaits_step, step.by_unit_id == task.owner_unit_id)
    query = (
        sa.select(task.id, sa.func.min(step.id))
        .join(steps_seen, sa.and_(taken, step.entered_at >= task.given_at))
        .where(task.awaits_step.is_not(None))
        .group_by(task.id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]
