"""What the feed and the alerts say, in Chinese and English. Words only: no state, no decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from liangfa_protos.enforcement_record.v1 import case_pb2


class Wording(NamedTuple):
    """One line in each language."""

    zh: str
    en: str


STAGES = {
    case_pb2.STAGE_RECEIVED: ("受案", "received"),
    case_pb2.STAGE_OPENED: ("立案", "opened"),
    case_pb2.STAGE_INVESTIGATION: ("调查", "under investigation"),
    case_pb2.STAGE_LEGAL_REVIEW: ("法制审核", "under legal review"),
    case_pb2.STAGE_DECIDED: ("决定", "decided"),
    case_pb2.STAGE_EXECUTION: ("执行", "in execution"),
    case_pb2.STAGE_CLOSED: ("结案", "closed"),
    case_pb2.STAGE_NO_PENALTY: ("不予处罚", "no penalty"),
    case_pb2.STAGE_WITHDRAWN: ("撤案", "withdrawn"),
    case_pb2.STAGE_NOT_OPENED: ("不予立案", "not opened"),
}


def worded(what: str, about: Any) -> Wording:
    """Return the line for the happening `what`; `about` is the event's message, or a number of days for 'late'."""
    return _LINES[what](about)


def _registered(message: Any) -> Wording:
    case = message.case
    party = "、".join(party.name for party in case.parties[:3])
    return Wording(f"录入案件：{party} {case.cause}", f"Case entered: {party}, {case.cause}")


def _late(days: int) -> Wording:
    return Wording(f"迟录：处罚决定作出 {days} 天后才录入", f"Late entry: {days} days after the decision")


def _amended(message: Any) -> Wording:
    fields = ", ".join(change.field for change in message.changes)
    when = ("处罚决定后修改", "Amended after the decision") if message.after_decision else ("修改案件", "Case amended")
    return Wording(f"{when[0]}：{fields}，理由：{message.reason}", f"{when[1]}: {fields}; reason: {message.reason}")


def _advanced(message: Any) -> Wording:
    before, after = STAGES.get(message.from_stage, ("", "")), STAGES.get(message.case.stage, ("", ""))
    return Wording(f"阶段变更：{before[0]} → {after[0]}", f"Stage: {before[1]} → {after[1]}")


def _step(message: Any) -> Wording:
    return Wording(f"过程记录：{message.step.kind}", f"Step recorded: {message.step.kind}")


def _decided(message: Any) -> Wording:
    decision = message.decision
    fine = f"，罚款 {decision.fine_yuan} 元" if decision.fine_yuan else ""
    fined = f", fine {decision.fine_yuan} yuan" if decision.fine_yuan else ""
    return Wording(f"作出处罚决定 {decision.document_number}{fine}", f"Decision {decision.document_number}{fined}")


def _evidence(message: Any) -> Wording:
    return Wording(f"上传证据：{message.evidence.file_name}", f"Evidence attached: {message.evidence.file_name}")


def _offence(offence: Any) -> tuple[str, str]:
    facts = "；".join(f"{fact.label_zh or fact.name}={fact.value}" for fact in offence.facts[:4])
    return (
        f"{offence.name_zh}（刑法{offence.article}；{offence.legal_source}）：{facts}",
        f"{offence.offence_id} ({offence.standard_text}): {facts}",
    )


def _suspected(message: Any) -> Wording:
    zh, en = _offence(message.screening.offences[0]) if message.screening.offences else ("", "")
    return Wording(f"疑似涉嫌犯罪，应审查是否移送：{zh}", f"Suspected crime, review for transfer: {en}")


def _cumulative(message: Any) -> Wording:
    offence = message.screening.offences[0] if message.screening.offences else None
    count = len(offence.counted_case_ids) if offence is not None else 0
    name = offence.name_zh if offence is not None else ""
    return Wording(
        f"累计达到追诉标准：同一当事人 {count + 1} 起案件合计，{name}",
        f"Cumulative: {count + 1} cases of one party together reach the standard of {name}",
    )


def _near(message: Any) -> Wording:
    near = message.screening.near_misses
    zh, en = _offence(near[0]) if near else ("", "")
    gap = f"，{near[0].distance}" if near and near[0].distance else ""
    return Wording(f"接近追诉标准：{zh}{gap}", f"Near a threshold: {en}{gap}")


def _cleared(_message: Any) -> Wording:
    return Wording("疑似涉嫌犯罪已解除", "No crime suspected any more")


def _reviewed(message: Any) -> Wording:
    verdict = message.verdict
    zh, en = ("认可", "accepted") if verdict.accepted else ("排除", "rejected")
    return Wording(f"复核：{zh}，{verdict.reason}", f"Hit {en}: {verdict.reason}")


def _imported(message: Any) -> Wording:
    m = message
    return Wording(
        f"导入完成：读取 {m.rows_read} 行，新增 {m.cases_registered} 件，更新 {m.cases_amended} 件，"
        f"重复 {m.rows_repeated} 行，待更正 {m.rows_rejected} 行",
        f"Import finished: {m.rows_read} rows, {m.cases_registered} new, {m.cases_amended} changed, "
        f"{m.rows_repeated} known, {m.rows_rejected} to correct",
    )


def _reply_overdue(message: Any) -> Wording:
    source = message.limit.legal_source
    return Wording(
        f"{message.unit_name}逾期未书面答复咨询（{source}）",
        f"{message.unit_name} has not answered a consultation in time",
    )


def _meeting_convened(message: Any) -> Wording:
    meeting = message.meeting
    return Wording(
        f"召集联席会议：{meeting.title}，议题 {len(meeting.agenda)} 项",
        f"Joint meeting convened: {meeting.title}, {len(meeting.agenda)} items",
    )


def _minutes_sealed(message: Any) -> Wording:
    return Wording(f"会议纪要已确认：{message.document_number}", f"Minutes sealed: {message.document_number}")


def _task_overdue(message: Any) -> Wording:
    task = message.task
    return Wording(
        f"联席会议任务逾期：{task.owner_unit_name}应于 {task.due_on} 前{task.text}",
        f"Task of a joint meeting overdue: {task.owner_unit_name}, due {task.due_on}: {task.text}",
    )


def _resolution_adopted(message: Any) -> Wording:
    count = len(message.tasks)
    return Wording(
        f"联席会议形成决议，交办任务 {count} 项", f"A joint meeting resolved something; tasks given: {count}"
    )


def _task_done(message: Any) -> Wording:
    task = message.task
    by = f"（已办理“{task.required_step_zh}”）" if task.HasField("done_by") else ""
    return Wording(
        f"联席会议任务完成：{task.owner_unit_name}{task.text}{by}",
        f"Task of a joint meeting done: {task.owner_unit_name}: {task.text}",
    )


def _meeting_due(_message: Any) -> Wording:
    return Wording("联席会议例会即将到期，尚未召集", "A regular joint meeting is nearly due and not convened")


_LINES: dict[str, Callable[[Any], Wording]] = {
    "registered": _registered,
    "late": _late,
    "amended": _amended,
    "stage_advanced": _advanced,
    "step_recorded": _step,
    "decided": _decided,
    "evidence_attached": _evidence,
    "suspected": _suspected,
    "cumulative": _cumulative,
    "near": _near,
    "cleared": _cleared,
    "reviewed": _reviewed,
    "imported": _imported,
    "reply_overdue": _reply_overdue,
    "meeting_convened": _meeting_convened,
    "minutes_sealed": _minutes_sealed,
    "task_overdue": _task_overdue,
    "meeting_due": _meeting_due,
    "resolution_adopted": _resolution_adopted,
    "task_done": _task_done,
}
