"""Publishing and withdrawing precedents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from liangfa_joint_meeting import errors
from liangfa_joint_meeting import validation as v
from liangfa_joint_meeting.commands.taking_part import taking_part
from liangfa_joint_meeting.precedents import draft_hash, drafted, precedent_text
from liangfa_joint_meeting.records import consultation_needs, whole
from liangfa_joint_meeting.tables import PRECEDENT_TEXT, precedents, units
from liangfa_kit.clock import to_micros
from liangfa_kit.store.port import Row
from liangfa_kit.work import Handler, Need, Work
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import events_pb2
from liangfa_protos.joint_meeting.v1 import precedent_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1.unit_service_pb2 import Unit

MAX_WORDS = 100


@dataclass(frozen=True, slots=True)
class Draft:
    """Show, or with `sha256` publish, the precedent of a consultation in which `unit_ids` take or took part."""

    consultation_id: str
    also_mask: Sequence[str]
    unit_ids: Sequence[str]
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take back the precedent of a consultation."""

    consultation_id: str
    reason: str


def _drafted(command: Draft, work: Work) -> tuple[rpc.Precedent, list[rpc.Masking]]:
    row, _ = taking_part(work, command.consultation_id)
    v.check(
        v.size("also_mask", command.also_mask, MAX_WORDS),
        *(v.text("also_mask", word, v.MAX_NAME) for word in command.also_mask[:MAX_WORDS]),
    )
    if row["state"] != pb.CONSULTATION_STATE_CLOSED:
        raise errors.ConsultationOpen(command.consultation_id)
    entries = [Unit.FromString(unit["body"]) for key in command.unit_ids if (unit := work.row(units, key))]
    return drafted(whole(work, row), {unit.id: unit.kind for unit in entries}, command.also_mask)


def _preview(command: Draft, work: Work) -> rpc.PreviewPrecedentResponse:
    precedent, maskings = _drafted(command, work)
    return rpc.PreviewPrecedentResponse(precedent=precedent, maskings=maskings, sha256=draft_hash(precedent))


def _publish(command: Draft, work: Work) -> rpc.PublishPrecedentResponse:
    precedent, _ = _drafted(command, work)
    if draft_hash(precedent) != command.sha256:
        raise errors.PreviewChanged
    if _published(work, command.consultation_id) is not None:
        raise errors.PrecedentExists
    precedent.id = work.new_id()
    precedent.published_at.FromDatetime(work.now)
    work.save(
        precedents,
        {
            "id": precedent.id,
            "consultation_id": command.consultation_id,
            "kind": precedent.kind,
            "offence_name_zh": precedent.offence_name_zh,
            "cause": precedent.cause,
            "published_at": to_micros(work.now),
            "is_withdrawn": False,
            "body": precedent.SerializeToString(deterministic=True),
        },
    )
    work.index(PRECEDENT_TEXT, precedent.id, precedent_text(precedent))
    work.record(f"precedent/{precedent.id}", events_pb2.PrecedentPublished(precedent=precedent))
    return rpc.PublishPrecedentResponse(precedent=precedent)


def _published(work: Work, consultation_id: str) -> Row | None:
    known = work.rows(precedents, "consultation_id", consultation_id)
    return next((row for row in known if not row["is_withdrawn"]), None)


def _withdraw(command: Withdraw, work: Work) -> rpc.WithdrawPrecedentResponse:
    taking_part(work, command.consultation_id)
    row = _published(work, command.consultation_id)
    if row is None:
        raise errors.PrecedentNotFound
    v.require_reason("Withdrawing a precedent", command.reason)
    work.save(precedents, {**row, "is_withdrawn": True})
    event = events_pb2.PrecedentWithdrawn(precedent_id=row["id"], reason=command.reason)
    work.record(f"withdrawal/{row['id']}", event)  # a stream of its own: which one it is, only the rows tell
    return rpc.WithdrawPrecedentResponse()


def _needs(command: Draft | Withdraw) -> Sequence[Need]:
    needed = (*consultation_needs(command.consultation_id),)
    needed += (Need(precedents, "consultation_id", (command.consultation_id,)),)
    if isinstance(command, Draft) and command.unit_ids:
        needed += (Need(units, "id", tuple(command.unit_ids)),)
    return needed


PREVIEW = Handler("PreviewPrecedent", _preview, rpc.PreviewPrecedentResponse, _needs)
PUBLISH = Handler("PublishPrecedent", _publish, rpc.PublishPrecedentResponse, _needs)
WITHDRAW = Handler("WithdrawPrecedent", _withdraw, rpc.WithdrawPrecedentResponse, _needs)
