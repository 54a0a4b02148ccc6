"""What is told when time passes: the reminder of an answer that is nearly due, the escalation of one that is overdue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.empty_pb2 import Empty

from liangfa_joint_meeting.records import append, consultation_stream, stored, summary
from liangfa_joint_meeting.tables import consultations, conversations, meeting_rules, reply_clocks, tasks
from liangfa_kit.clock import BEIJING, from_micros, to_micros
from liangfa_kit.store.port import Row
from liangfa_kit.work import Handler, Need, Work
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import events_pb2
from liangfa_protos.joint_meeting.v1.meeting_pb2 import MeetingRule, Task


@dataclass(frozen=True, slots=True)
class RaiseReplyAlarm:
    """Tell what is due to be told of one reply clock: nothing when it was told already or the clock has stopped."""

    clock_id: str
    consultation_id: str


def _raise(command: RaiseReplyAlarm, work: Work) -> Empty:
    """Tell it once: the row says what was told, and changes in the same transaction as the event is journalled."""
    clock = work.row(reply_clocks, command.clock_id)
    row = work.row(consultations, command.consultation_id)
    now = to_micros(work.now)
    if row is None or clock is None or clock["next_alarm_at"] is None or clock["next_alarm_at"] > now:
        return Empty()
    consultation = stored(row)
    if now < clock["due_at"]:
        work.save(reply_clocks, {**clock, "reminded_at": now, "next_alarm_at": clock["due_at"]})
        _remind(work, consultation, clock)
    else:  # a reminder that a stopped service has missed is not told late: the escalation says more
        work.save(reply_clocks, {**clock, "escalated_at": now, "next_alarm_at": None})
        _escalate(work, consultation, clock)
    return Empty()


def _remind(work: Work, consultation: pb.Consultation, clock: Row) -> None:
    text = f"提醒：{clock['unit_name']}应于 {_day(clock)} 前书面答复"
    append(work, consultation.id, pb.MESSAGE_KIND_REMINDED, text=text)
    event = events_pb2.ReplyReminded(
        consultation=summary(consultation), unit_id=clock["unit_id"], unit_name=clock["unit_name"]
    )
    event.due_at.FromMicroseconds(clock["due_at"])
    work.record(consultation_stream(consultation.id), event)


def _escalate(work: Work, consultation: pb.Consultation, clock: Row) -> None:
    text = f"逾期：{clock['unit_name']}未于 {_day(clock)} 前书面答复，已提示该单位负责人和咨询单位"
    append(work, consultation.id, pb.MESSAGE_KIND_ESCALATED, text=text)
    event = events_pb2.ReplyOverdue(
        consultation=summary(consultation),
        unit_id=clock["unit_id"],
        unit_name=clock["unit_name"],
        limit=consultation.reply_limit,
    )
    event.due_at.FromMicroseconds(clock["due_at"])
    work.record(consultation_stream(consultation.id), event)


def _day(clock: Row) -> str:
    """Return the last day on which an answer is in time, Beijing calendar."""
    return from_micros(clock["due_at"] - 1).astimezone(BEIJING).date().isoformat()


def _needs(command: RaiseReplyAlarm) -> Sequence[Need]:
    return (
        Need(reply_clocks, "id", (command.clock_id,)),
        Need(consultations, "id", (command.consultation_id,)),
        Need(conversations, "consultation_id", (command.consultation_id,)),
    )


@dataclass(frozen=True, slots=True)
class RaiseTaskAlarm:
    """Tell that a task is overdue, once."""

    task_id: str


def _raise_task(command: RaiseTaskAlarm, work: Work) -> Empty:
    row = work.row(tasks, command.task_id)
    if row is not None and row["next_alarm_at"] is not None and row["next_alarm_at"] <= to_micros(work.now):
        task = Task.FromString(row["body"])
        task.is_overdue = True
        work.save(tasks, {**row, "next_alarm_at": None, "body": task.SerializeToString(deterministic=True)})
        work.record(f"task/{task.id}", events_pb2.TaskOverdue(task=task))
    return Empty()


@dataclass(frozen=True, slots=True)
class RaiseMeetingAlarm:
    """Tell that a region's regular meeting is nearly due, once for each period."""

    region: str


def _raise_meeting(command: RaiseMeetingAlarm, work: Work) -> Empty:
    row = work.row(meeting_rules, command.region)
    if row is not None and row["next_alarm_at"] is not None and row["next_alarm_at"] <= to_micros(work.now):
        work.save(meeting_rules, {**row, "next_alarm_at": None})
        rule = MeetingRule.FromString(row["body"])
        event = events_pb2.RegularMeetingDue(region=rule.region, convener_unit_id=rule.convener_unit_id)
        event.due_at.FromMicroseconds(row["next_due_at"])
        work.record(f"region/{rule.region}", event)
    return Empty()


RAISE_TASK_ALARM = Handler(
    "RaiseTaskAlarm", _raise_task, Empty,
    lambda c: (Need(tasks, "id", (c.task_id,)),), lambda c: (f"task/{c.task_id}",),
)  # fmt: skip
RAISE_MEETING_ALARM = Handler(
    "RaiseMeetingAlarm", _raise_meeting, Empty,
    lambda c: (Need(meeting_rules, "region", (c.region,)),), lambda c: (f"region/{c.region}",),
)  # fmt: skip
RAISE_REPLY_ALARM = Handler(
    "RaiseReplyAlarm", _raise, Empty, _needs, lambda c: (consultation_stream(c.consultation_id),)
)
