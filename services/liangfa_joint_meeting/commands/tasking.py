"""Tasks: given by a resolution, reported by the owner, judged by the convener, or done by the step that they require."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from google.protobuf.empty_pb2 import Empty

from liangfa_joint_meeting import errors
from liangfa_joint_meeting import validation as v
from liangfa_joint_meeting.commands.meeting_rows import due_at, save_task
from liangfa_joint_meeting.meetings import day_text
from liangfa_joint_meeting.tables import meetings, steps_seen, tasks
from liangfa_kit.clock import BEIJING, from_micros
from liangfa_kit.errors import FieldViolation
from liangfa_kit.store.port import Row
from liangfa_kit.work import Handler, Need, Work
from liangfa_procedure.steps import Procedure
from liangfa_protos.joint_meeting.v1 import events_pb2
from liangfa_protos.joint_meeting.v1 import meeting_pb2 as pb
from liangfa_protos.joint_meeting.v1 import meeting_service_pb2 as rpc


@dataclass(frozen=True, slots=True)
class Judge:
    """Judge a report on a task of the meeting `meeting_id`."""

    request: rpc.JudgeTaskRequest
    meeting_id: str


@dataclass(frozen=True, slots=True)
class Fulfil:
    """Find a task done by the step that was seen as `step_key`: nothing when it is done already."""

    task_id: str
    step_key: str


def draft_faults(request: rpc.AdoptResolutionRequest) -> Iterator[FieldViolation]:
    """Yield what is wrong with the tasks of a resolution."""
    for number, draft in enumerate(request.tasks[: v.MAX_LIST]):
        where = f"tasks[{number}]"
        yield from v.text(f"{where}.text", draft.text, v.MAX_REASON, is_required=True)
        yield from v.text(f"{where}.case_id", draft.case_id, v.MAX_NAME)
        if day_text(draft.due_on) is None:
            yield FieldViolation(f"{where}.due_on", "DATE_MALFORMED", "日期格式为 YYYY-MM-DD (a date of the calendar)")
        if draft.required_step:
            yield from _step_faults(where, draft)


def _step_faults(where: str, draft: rpc.TaskDraft) -> Iterator[FieldViolation]:
    if not draft.case_id:
        message = "要求办理程序步骤的任务须写明案件 (a task that requires a step names its case)"
        yield FieldViolation(f"{where}.case_id", "FIELD_REQUIRED", message)
    steps = Procedure.load().steps
    if draft.required_step not in steps:
        near = get_close_matches(draft.required_step[: v.MAX_NAME], steps, n=1, cutoff=0)[0]
        message = f"程序中没有该步骤；相近的是 {near}（{steps[near].name_zh}） (no such step; the nearest is {near})"
        yield FieldViolation(f"{where}.required_step", "STEP_UNKNOWN", message)


def given_task(work: Work, meeting: pb.Meeting, item: pb.AgendaItem, draft: rpc.TaskDraft) -> pb.Task:
    """Save and return a task of a resolution. Raises `UnitUnknown` for an owner who is no member."""
    owner = next((one for one in meeting.attendance if one.unit_id == draft.owner_unit_id), None)
    if owner is None:
        raise errors.UnitUnknown(draft.owner_unit_id)
    task = pb.Task(
        id=work.new_id(),
        meeting_id=meeting.id,
        region=meeting.region,
        item_title=item.title,
        owner_unit_id=owner.unit_id,
        owner_unit_name=owner.unit_name,
        text=draft.text,
        due_on=draft.due_on,
        case_id=draft.case_id,
        state=pb.TASK_STATE_OPEN,
    )
    if draft.required_step:
        task.required_step = draft.required_step
        task.required_step_zh = Procedure.load().step(draft.required_step).name_zh
    task.given_at.FromDatetime(work.now)
    save_task(work, task, due_at(task.due_on))
    return task


def _report(request: rpc.ReportTaskRequest, work: Work) -> rpc.ReportTaskResponse:
    task = _known_task(work, request.task_id)
    if task.owner_unit_id != work.actor.agency_id:
        raise errors.TaskNotFound(request.task_id)
    if task.state != pb.TASK_STATE_OPEN:
        raise errors.TaskState(task.id, pb.TaskState.Name(task.state).removeprefix("TASK_STATE_"))
    v.check(v.text("reply", request.reply, v.MAX_MESSAGE, is_required=True), v.files("evidence", request.evidence))
    task.state, task.reply = pb.TASK_STATE_REPORTED, request.reply
    del task.evidence[:]
    task.evidence.extend(request.evidence)
    task.reported_at.FromDatetime(work.now)
    save_task(work, task, None)
    work.record(task_stream(task.id), events_pb2.TaskReported(task=task))
    return rpc.ReportTaskResponse(task=task)


def task_stream(task_id: str) -> str:
    """Return the journal stream of a task."""
    return f"task/{task_id}"


def _known_task(work: Work, task_id: str) -> pb.Task:
    row = work.row(tasks, task_id)
    if row is None:
        raise errors.TaskNotFound(task_id)
    return pb.Task.FromString(row["body"])


def _judge(command: Judge, work: Work) -> rpc.JudgeTaskResponse:
    request = command.request
    task = _known_task(work, request.task_id)
    row = work.row(meetings, command.meeting_id)
    rule = pb.Meeting.FromString(row["body"]).rule if row else pb.MeetingRule()
    if work.actor.agency_id not in rule.member_unit_ids:
        raise errors.TaskNotFound(request.task_id)
    if work.actor.agency_id != rule.convener_unit_id:
        raise errors.NotTheConvener
    if task.state != pb.TASK_STATE_REPORTED:
        raise errors.TaskState(task.id, pb.TaskState.Name(task.state).removeprefix("TASK_STATE_"))
    v.require_reason("A judgement", request.judgement)
    task.state = pb.TASK_STATE_DONE if request.is_done else pb.TASK_STATE_OPEN
    task.judgement = request.judgement
    task.judged_at.FromDatetime(work.now)
    save_task(work, task, None if request.is_done or task.is_overdue else due_at(task.due_on))
    work.record(task_stream(task.id), events_pb2.TaskJudged(task=task))
    return rpc.JudgeTaskResponse(task=task)


def _fulfil(command: Fulfil, work: Work) -> Empty:
    row, step = work.row(tasks, command.task_id), work.row(steps_seen, command.step_key)
    if row is None or step is None or not _is_fulfilled(row, step):
        return Empty()
    task = pb.Task.FromString(row["body"])
    task.state = pb.TASK_STATE_DONE
    task.done_by.transfer_id, task.done_by.sequence = step["transfer_id"], step["sequence"]
    task.done_by.happened_at.FromMicroseconds(step["happened_at"])
    on = from_micros(step["happened_at"]).astimezone(BEIJING).date()
    task.judgement = f"平台记录：{task.owner_unit_name}已于 {on} 办理“{task.required_step_zh}”。"
    task.judged_at.FromDatetime(work.now)
    save_task(work, task, None)
    work.record(task_stream(task.id), events_pb2.TaskFulfilled(task=task))
    return Empty()


def _is_fulfilled(task: Row, step: Row) -> bool:
    """Tell whether the owner has taken the step that the task awaits, in its case, and entered it since it was given."""
    is_it = (task["case_id"], task["awaits_step"]) == (step["case_id"], step["step"])
    return is_it and step["by_unit_id"] == task["owner_unit_id"] and step["entered_at"] >= task["given_at"]


def _task_need(task_id: str) -> Need:
    return Need(tasks, "id", (task_id,))


def _fulfil_needs(command: Fulfil) -> Sequence[Need]:
    return (_task_need(command.task_id), Need(steps_seen, "id", (command.step_key,)))


REPORT = Handler(
    "ReportTask",
    _report,
    rpc.ReportTaskResponse,
    lambda r: (_task_need(r.task_id),),
    lambda r: (task_stream(r.task_id),),
)
JUDGE = Handler(
    "JudgeTask", _judge, rpc.JudgeTaskResponse,
    lambda c: (_task_need(c.request.task_id), Need(meetings, "id", (c.meeting_id,))),
    lambda c: (task_stream(c.request.task_id),),
)  # fmt: skip
FULFIL = Handler("FulfilTask", _fulfil, Empty, _fulfil_needs, lambda c: (task_stream(c.task_id),))
