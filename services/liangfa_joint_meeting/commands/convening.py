"""Before a meeting: the region's rule, requests for special meetings, proposals, the notice and its receipt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from liangfa_joint_meeting import errors
from liangfa_joint_meeting import validation as v
from liangfa_joint_meeting.commands.meeting_rows import (
    conveners,
    item_of,
    meeting_needs,
    meeting_of,
    meeting_streams,
    rule_of,
    save_meeting,
)
from liangfa_joint_meeting.meetings import meeting_stream, months_later, special_is_due
from liangfa_joint_meeting.records import actor_of
from liangfa_joint_meeting.tables import meeting_rules, proposals, special_requests, tasks, units
from liangfa_kit.clock import from_micros, to_micros
from liangfa_kit.errors import FieldViolation
from liangfa_kit.store.port import Row
from liangfa_kit.work import Handler, Need, Work
from liangfa_protos.joint_meeting.v1 import events_pb2
from liangfa_protos.joint_meeting.v1 import meeting_pb2 as pb
from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as rpc
from liangfa_standards.divisions import covers

_DAY_MICROS = 86_400_000_000
MAX_MEMBERS = 100


@dataclass(frozen=True, slots=True)
class InRegion:
    """A request of a member in the own region."""

    region: str
    request: Any


@dataclass(frozen=True, slots=True)
class Convene:
    """Convene a meeting; `found` are the items and `figures` the numbers that the data give."""

    region: str
    request: rpc.ConveneMeetingRequest
    found: Sequence[pb.AgendaItem]
    figures: Sequence[pb.UnitFigures]


def rule_stream(region: str) -> str:
    """Return the journal stream of a region's rule, requests and proposals."""
    return f"region/{region}"


def _set_rule(request: rpc.SetMeetingRuleRequest, work: Work) -> rpc.SetMeetingRuleResponse:
    rule = request.rule
    v.check(v.region("rule.region", rule.region), v.size("rule.member_unit_ids", rule.member_unit_ids, MAX_MEMBERS))
    if not covers(work.actor.region, rule.region):
        raise errors.NotYourRegion(rule.region)
    v.check(_figures(rule))
    for unit_id in (rule.convener_unit_id, *rule.member_unit_ids, *rule.special_unit_ids):
        unit = work.row(units, unit_id)
        if unit is None or not unit["is_active"] or unit_id not in rule.member_unit_ids:
            raise errors.UnitUnknown(unit_id)
    known = work.row(meeting_rules, rule.region)
    last = known["last_meeting_at"] if known else to_micros(work.now)
    _save_rule(work, rule, last)
    work.record(rule_stream(rule.region), events_pb2.MeetingRuleSet(rule=rule))
    return rpc.SetMeetingRuleResponse(rule=rule)


def _figures(rule: pb.MeetingRule) -> list[FieldViolation]:
    bounds = {
        "months_between": (1, 12),
        "special_requests": (1, 100),
        "quorum_percent": (1, 100),
        "remind_days": (0, 60),
    }
    return [
        FieldViolation(f"rule.{name}", "VALUE_UNKNOWN", f"应在 {least} 至 {most} 之间 ({least} to {most})")
        for name, (least, most) in bounds.items()
        if not least <= getattr(rule, name) <= most
    ]


def _save_rule(work: Work, rule: pb.MeetingRule, last_meeting_at: int) -> None:
    """Save a rule with the date of the next regular meeting, counted from the last one."""
    due_at = to_micros(months_later(from_micros(last_meeting_at), rule.months_between))
    work.save(
        meeting_rules,
        {
            "region": rule.region,
            "next_due_at": due_at,
            "next_alarm_at": due_at - rule.remind_days * _DAY_MICROS,
            "last_meeting_at": last_meeting_at,
            "body": rule.SerializeToString(deterministic=True),
        },
    )


def _request_special(command: InRegion, work: Work) -> rpc.RequestSpecialMeetingResponse:
    _, rule = rule_of(work, command.region)
    v.require_reason("A special meeting", command.request.reason)
    row = {
        "id": work.new_id(),
        "region": command.region,
        "unit_id": work.actor.agency_id,
        "is_open": True,
        "reason": command.request.reason,
        "requested_at": to_micros(work.now),
    }
    work.save(special_requests, row)
    is_due = special_is_due(rule, _requesting(work, command.region))
    event = events_pb2.SpecialMeetingRequested(
        region=command.region,
        unit_id=work.actor.agency_id,
        unit_name=work.actor.agency_name,
        reason=command.request.reason,
        is_due=is_due,
    )
    work.record(rule_stream(command.region), event)
    return rpc.RequestSpecialMeetingResponse(is_due=is_due)


def _requesting(work: Work, region: str) -> set[str]:
    return {row["unit_id"] for row in work.rows(special_requests, "region", region) if row["is_open"]}


def _propose(command: InRegion, work: Work) -> rpc.ProposeItemResponse:
    rule_of(work, command.region)
    request = command.request
    v.check(
        v.text("title", request.title, v.MAX_TITLE, is_required=True),
        v.text("text", request.text, v.MAX_TEXT),
        v.text("case_id", request.case_id, v.MAX_NAME),
        v.files("papers", request.papers),
    )
    item = pb.AgendaItem(
        id=work.new_id(),
        source=pb.ITEM_SOURCE_PROPOSED,
        title=request.title,
        text=request.text,
        unit_id=work.actor.agency_id,
        unit_name=work.actor.agency_name,
        case_id=request.case_id,
        papers=request.papers,
    )
    _save_proposal(work, command.region, item, is_taken=False)
    work.record(rule_stream(command.region), events_pb2.ItemProposed(region=command.region, item=item))
    return rpc.ProposeItemResponse(item=item)


def _save_proposal(work: Work, region: str, item: pb.AgendaItem, *, is_taken: bool) -> None:
    body = item.SerializeToString(deterministic=True)
    work.save(proposals, {"id": item.id, "region": region, "is_taken": is_taken, "body": body})


def _convene(command: Convene, work: Work) -> rpc.ConveneMeetingResponse:
    _, rule = rule_of(work, command.region)
    if work.actor.agency_id != rule.convener_unit_id:
        raise errors.NotTheConvener
    request = command.request
    v.check(
        v.known("kind", request.kind, pb.MeetingKind.values(), is_required=True),
        v.text("title", request.title, v.MAX_TITLE, is_required=True),
        v.text("place", request.place, v.MAX_NAME, is_required=True),
        [] if request.HasField("starts_at") else [FieldViolation("starts_at", "FIELD_REQUIRED", "必填 (must be set)")],
    )
    meeting = pb.Meeting(
        id=work.new_id(),
        region=command.region,
        kind=request.kind,
        state=pb.MEETING_STATE_CONVENED,
        title=request.title,
        starts_at=request.starts_at,
        place=request.place,
        convened_by=actor_of(work.actor),
        rule=rule,
        agenda=_agenda(command, work),
        figures=command.figures,
    )
    known = {line.unit_id: line.unit_name for line in command.figures}
    for unit_id in rule.member_unit_ids:
        meeting.attendance.add(unit_id=unit_id, unit_name=known.get(unit_id, unit_id))
    save_meeting(work, meeting)
    if request.kind == pb.MEETING_KIND_REGULAR:
        _save_rule(work, rule, request.starts_at.ToMicroseconds())
    for row in work.rows(special_requests, "region", command.region):
        if row["is_open"]:
            work.save(special_requests, {**row, "is_open": False})
    work.record(meeting_stream(meeting.id), events_pb2.MeetingConvened(meeting=meeting))
    return rpc.ConveneMeetingResponse(meeting=meeting)


def _agenda(command: Convene, work: Work) -> list[pb.AgendaItem]:
    """Return the agenda: open tasks first, then what members proposed, then what the data show."""
    items = [
        _task_item(work, row)
        for row in work.rows(tasks, "region", command.region)
        if row["state"] != pb.TASK_STATE_DONE
    ]
    for row in work.rows(proposals, "region", command.region):
        if not row["is_taken"]:
            item = pb.AgendaItem.FromString(row["body"])
            _save_proposal(work, command.region, item, is_taken=True)
            items.append(item)
    for found in command.found:
        item = pb.AgendaItem()
        item.CopyFrom(found)
        item.id = work.new_id()
        items.append(item)
    return items


def _task_item(work: Work, row: Row) -> pb.AgendaItem:
    task = pb.Task.FromString(row["body"])
    return pb.AgendaItem(
        id=work.new_id(),
        source=pb.ITEM_SOURCE_TASK,
        title=f"上次会议任务：{task.owner_unit_name}{task.text}"[: v.MAX_TITLE],
        text=f"期限 {task.due_on}；" + (f"已报告：{task.reply}" if task.reply else "尚未报告"),
        unit_id=task.owner_unit_id,
        unit_name=task.owner_unit_name,
        case_id=task.case_id,
        reference_id=task.id,
    )


def _order(request: rpc.OrderAgendaRequest, work: Work) -> rpc.OrderAgendaResponse:
    meeting = conveners(work, request.meeting_id, pb.MEETING_STATE_CONVENED)
    items = [item_of(meeting, key) for key in dict.fromkeys(request.item_ids)]
    ordered = [pb.AgendaItem.FromString(item.SerializeToString()) for item in items]
    del meeting.agenda[:]
    meeting.agenda.extend(ordered)
    save_meeting(work, meeting)
    event = events_pb2.AgendaOrdered(meeting_id=meeting.id, item_ids=[item.id for item in ordered])
    work.record(meeting_stream(meeting.id), event)
    return rpc.OrderAgendaResponse(meeting=meeting)


def _cancel(request: rpc.CancelMeetingRequest, work: Work) -> rpc.CancelMeetingResponse:
    meeting = conveners(work, request.meeting_id, pb.MEETING_STATE_CONVENED)
    v.require_reason("Cancelling a meeting", request.reason)
    meeting.state, meeting.cancel_reason = pb.MEETING_STATE_CANCELLED, request.reason
    save_meeting(work, meeting)
    for item in meeting.agenda:
        if item.source == pb.ITEM_SOURCE_PROPOSED:  # it waits for the next meeting
            _save_proposal(work, meeting.region, item, is_taken=False)
    work.record(meeting_stream(meeting.id), events_pb2.MeetingCancelled(meeting_id=meeting.id, reason=request.reason))
    return rpc.CancelMeetingResponse(meeting=meeting)


def _acknowledge(request: rpc.AcknowledgeNoticeRequest, work: Work) -> rpc.AcknowledgeNoticeResponse:
    meeting = meeting_of(work, request.meeting_id, pb.MEETING_STATE_CONVENED)
    v.check(
        v.size("attendees", request.attendees),
        *(v.text("attendees", name, v.MAX_NAME) for name in request.attendees[: v.MAX_LIST]),
    )
    (mine,) = (one for one in meeting.attendance if one.unit_id == work.actor.agency_id)
    if not mine.HasField("received_by"):
        mine.received_by.CopyFrom(actor_of(work.actor))
        mine.received_at.FromDatetime(work.now)
    del mine.attendees[:]
    mine.attendees.extend(request.attendees)
    save_meeting(work, meeting)
    work.record(meeting_stream(meeting.id), events_pb2.NoticeReceived(meeting_id=meeting.id, attendance=mine))
    return rpc.AcknowledgeNoticeResponse(meeting=meeting)


def _rule_needs(request: rpc.SetMeetingRuleRequest) -> Sequence[Need]:
    rule = request.rule
    named = tuple(dict.fromkeys((rule.convener_unit_id, *rule.member_unit_ids, *rule.special_unit_ids)))
    return (Need(units, "id", named), Need(meeting_rules, "region", (rule.region,)))


def _region_needs(command: InRegion) -> Sequence[Need]:
    regional = (Need(special_requests, "region", (command.region,)), Need(proposals, "region", (command.region,)))
    return (Need(meeting_rules, "region", (command.region,)), *regional)


def _convene_needs(command: Convene) -> Sequence[Need]:
    regional = tuple(Need(table, "region", (command.region,)) for table in (special_requests, proposals, tasks))
    return (Need(meeting_rules, "region", (command.region,)), *regional)


def _region_stream(command: InRegion) -> Sequence[str]:
    return (rule_stream(command.region),)


SET_RULE = Handler(
    "SetMeetingRule", _set_rule, rpc.SetMeetingRuleResponse, _rule_needs, lambda r: (rule_stream(r.rule.region),)
)
REQUEST_SPECIAL = Handler(
    "RequestSpecialMeeting", _request_special, rpc.RequestSpecialMeetingResponse, _region_needs, _region_stream
)
PROPOSE = Handler("ProposeItem", _propose, rpc.ProposeItemResponse, _region_needs, _region_stream)
CONVENE = Handler("ConveneMeeting", _convene, rpc.ConveneMeetingResponse, _convene_needs)
ORDER = Handler("OrderAgenda", _order, rpc.OrderAgendaResponse, meeting_needs, meeting_streams)
CANCEL = Handler("CancelMeeting", _cancel, rpc.CancelMeetingResponse, meeting_needs, meeting_streams)
ACKNOWLEDGE_NOTICE = Handler(
    "AcknowledgeNotice", _acknowledge, rpc.AcknowledgeNoticeResponse, meeting_needs, meeting_streams
)
