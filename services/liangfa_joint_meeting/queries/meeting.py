"""Reading meetings and tasks as a member; what the data bring to an agenda; what is due to be told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from liangfa_joint_meeting.errors import MeetingNotFound, NotAMember
from liangfa_joint_meeting.tables import (
    cases_seen,
    consultations,
    meeting_rules,
    meetings,
    reply_clocks,
    special_requests,
    tasks,
    units,
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


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the data bring to a meeting."""

    items: list[pb.AgendaItem]
    figures: list[pb.UnitFigures]


def prepared(connection: sa.Connection, region: str, caller: Actor, now: int) -> Prepared:
    """Return figures since the last meeting and items that the data show, by unit and without naming cases.

    Members see how many matters of a unit are open, not which: a case is opened to others by a consultation only.
    """
    row, rule = rule_of(connection, region, caller)
    lines = figures(connection, rule, row["last_meeting_at"], now)
    return Prepared([*_suspected(connection, lines, now), *_unanswered(connection, lines, now)], lines)


def figures(connection: sa.Connection, rule: pb.MeetingRule, since: int, until: int) -> list[pb.UnitFigures]:
    """Return the figures of every member between two instants."""
    members = list(rule.member_unit_ids)
    names = dict(connection.execute(sa.select(units.c.id, units.c.name).where(units.c.id.in_(members))).tuples().all())
    lines = {key: pb.UnitFigures(unit_id=key, unit_name=names.get(key, key)) for key in members}
    seen = cases_seen.c
    suspected = sa.func.sum(sa.case((seen.is_suspected, 1), else_=0))
    for key, count, hits in connection.execute(
        sa.select(seen.agency_id, sa.func.count(), suspected)
        .where(seen.agency_id.in_(members), seen.registered_at >= since, seen.registered_at < until)
        .group_by(seen.agency_id)
    ):
        lines[key].cases, lines[key].suspected = count, int(hits or 0)
    asked = consultations.c
    for key, count in connection.execute(
        sa.select(asked.asker_unit_id, sa.func.count())
        .where(asked.asker_unit_id.in_(members), asked.asked_at >= since, asked.asked_at < until)
        .group_by(asked.asker_unit_id)
    ):
        lines[key].consultations_asked = count
    owed = reply_clocks.c
    in_time = sa.func.sum(sa.case((owed.answered_at < owed.due_at, 1), else_=0))
    for key, count, kept in connection.execute(
        sa.select(owed.unit_id, sa.func.count(), in_time)
        .where(owed.unit_id.in_(members), owed.started_at >= since, owed.started_at < until)
        .group_by(owed.unit_id)
    ):
        lines[key].answers_owed, lines[key].answers_in_time = count, int(kept or 0)
    return [lines[key] for key in members]


def _suspected(connection: sa.Connection, lines: Iterable[pb.UnitFigures], now: int) -> list[pb.AgendaItem]:
    seen = cases_seen.c
    known = {line.unit_id: line.unit_name for line in lines}
    together = sa.func.sum(sa.case((seen.is_cumulative, 1), else_=0))
    query = (
        sa.select(seen.agency_id, sa.func.count(), sa.func.min(seen.suspected_at), together)
        .where(seen.agency_id.in_(list(known)), seen.is_suspected.is_(True), seen.registered_at < now)
        .group_by(seen.agency_id)
        .order_by(seen.agency_id)
    )
    return [
        pb.AgendaItem(
            source=pb.ITEM_SOURCE_SUSPECTED,
            title=f"{known[key]}：疑似涉嫌犯罪尚未移送 {count} 件",
            text=f"最早一件已提示 {(now - since) // 86_400_000_000} 天；其中累计达到标准 {int(hits or 0)} 件",
            unit_id=key,
            unit_name=known[key],
        )
        for key, count, since, hits in connection.execute(query)
    ]


def _unanswered(connection: sa.Connection, lines: Iterable[pb.UnitFigures], now: int) -> list[pb.AgendaItem]:
    owed = reply_clocks.c
    known = {line.unit_id: line.unit_name for line in lines}
    query = (
        sa.select(owed.unit_id, sa.func.count())
        .where(owed.unit_id.in_(list(known)), owed.ended_at.is_(None), owed.due_at <= now)
        .group_by(owed.unit_id)
        .order_by(owed.unit_id)
    )
    return [
        pb.AgendaItem(
            source=pb.ITEM_SOURCE_UNANSWERED,
            title=f"{known[key]}：书面咨询逾期未答复 {count} 件",
            unit_id=key,
            unit_name=known[key],
        )
        for key, count in connection.execute(query)
    ]


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
