"""One line in each language for every entry of a case's history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from liangfa_enforcement_record.masking import mask_changes
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import events_pb2 as ev

_STAGES_ZH = {
    pb.STAGE_RECEIVED: "受案", pb.STAGE_OPENED: "立案", pb.STAGE_INVESTIGATION: "调查", pb.STAGE_LEGAL_REVIEW: "法制审核",
    pb.STAGE_DECIDED: "决定", pb.STAGE_EXECUTION: "执行", pb.STAGE_CLOSED: "结案", pb.STAGE_NO_PENALTY: "不予处罚",
    pb.STAGE_WITHDRAWN: "撤案", pb.STAGE_NOT_OPENED: "不予立案",
}  # fmt: skip
Summary = tuple[str, str, Sequence[pb.FieldChange]]


def summary_of(event_type: str, payload: bytes) -> Summary:
    """Return the Chinese line, the English line and the field changes of an entry."""
    known = _SUMMARIES.get(event_type.rpartition(".")[2])
    if known is None:
        return event_type, event_type, ()
    message, words = known
    return words(message.FromString(payload))


def _registered(event: ev.CaseRegistered) -> Summary:
    by_table = f"（导入第 {event.import_row} 行）" if event.import_row else ""
    return f"录入案件：{event.case.title}{by_table}", f"Case entered: {event.case.title}", ()


def _amended(event: ev.CaseAmended) -> Summary:
    changes = mask_changes(event.changes)
    return f"修改，理由：{event.reason}", f"Amended; reason: {event.reason}", changes


def _advanced(event: ev.StageAdvanced) -> Summary:
    before, after = event.from_stage, event.case.stage
    names = (pb.Stage.Name(stage).removeprefix("STAGE_").lower() for stage in (before, after))
    return f"{_STAGES_ZH.get(before, '')} → {_STAGES_ZH.get(after, '')} {event.reason}".strip(), " → ".join(names), ()


def _step(event: ev.StepRecorded) -> Summary:
    return f"过程记录：{event.step.kind}（{event.step.place}）", f"Step: {event.step.kind}", ()


def _decided(event: ev.DecisionRecorded) -> Summary:
    number = event.decision.document_number
    return f"处罚决定 {number}：{event.decision.content}", f"Decision {number}", ()


def _attached(event: ev.EvidenceAttached) -> Summary:
    return f"证据：{event.evidence.file_name}", f"Evidence: {event.evidence.file_name}", ()


def _found(event: Any) -> Summary:
    found = next(iter([*event.screening.offences, *event.screening.near_misses]), pb.ScreenedOffence())
    kind = ("疑似涉嫌犯罪", "Suspected crime") if event.screening.offences else ("接近追诉标准", "Near a threshold")
    return f"{kind[0]}：{found.name_zh} {found.distance}".strip(), f"{kind[1]}: {found.offence_id}", ()


def _cleared(_event: ev.CrimeCleared) -> Summary:
    return "疑似涉嫌犯罪已解除", "No crime suspected any more", ()


_PARTS_ZH = {"case": "案件", "timeline": "办案历程", "screenings": "筛查结果"}


def _viewed(event: ev.CaseViewed) -> Summary:
    part = _PARTS_ZH.get(event.part, "证据")
    zh = f"查看{part}{'（含完整证件号码）' if event.revealed else ''}，目的：{event.purpose or '本机关办案'}"
    en = f"Viewed: {event.part}{' with numbers in full' if event.revealed else ''}; purpose: {event.purpose or 'own case'}"
    return zh, en, ()


def _reviewed(event: ev.HitReviewed) -> Summary:
    zh, en = ("认可", "accepted") if event.verdict.accepted else ("排除", "rejected")
    return f"复核{zh}：{event.verdict.reason}", f"Hit {en}: {event.verdict.reason}", ()


_SUMMARIES: dict[str, tuple[Any, Callable[[Any], Summary]]] = {
    "CaseRegistered": (ev.CaseRegistered, _registered),
    "CaseAmended": (ev.CaseAmended, _amended),
    "StageAdvanced": (ev.StageAdvanced, _advanced),
    "StepRecorded": (ev.StepRecorded, _step),
    "DecisionRecorded": (ev.DecisionRecorded, _decided),
    "EvidenceAttached": (ev.EvidenceAttached, _attached),
    "CrimeSuspected": (ev.CrimeSuspected, _found),
    "NearMissFound": (ev.NearMissFound, _found),
    "CrimeCleared": (ev.CrimeCleared, _cleared),
    "HitReviewed": (ev.HitReviewed, _reviewed),
    "CaseViewed": (ev.CaseViewed, _viewed),
}
