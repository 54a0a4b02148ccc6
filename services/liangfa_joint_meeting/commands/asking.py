"""Asking, inviting, leaving, closing and reopening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from liangfa_joint_meeting import errors
from liangfa_joint_meeting import validation as v
from liangfa_joint_meeting.commands.taking_part import (
    admit,
    askers_part,
    end_clocks,
    open_part,
    running_clocks,
    seat_of,
    start_clock,
)
from liangfa_joint_meeting.records import (
    actor_of,
    append,
    consultation_needs,
    consultation_row,
    consultation_stream,
    question_text,
    seat_key,
    shown_to,
    stored,
    summary,
    to_participant,
    whole,
)
from liangfa_joint_meeting.reply_clock import ReplyRule
from liangfa_joint_meeting.tables import (
    QUESTION_TEXT,
    answers,
    consultations,
    conversations,
    participants,
    reply_clocks,
    units,
)
from liangfa_kit.clock import to_micros
from liangfa_kit.store.port import Row
from liangfa_kit.work import Handler, Need, Work
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1 import events_pb2

MAX_UNITS = 30


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask `request` under the id `consultation_id`, made by the caller of the train."""

    consultation_id: str
    request: rpc.AskConsultationRequest


@dataclass(frozen=True, slots=True)
class Invite:
    """Let a unit take part."""

    consultation_id: str
    unit_id: str
    owes_answer: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Leave:
    """End a unit's part; the caller's own when `unit_id` is empty."""

    consultation_id: str
    unit_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Close:
    """Close a consultation."""

    consultation_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reopen:
    """Reopen a closed consultation."""

    consultation_id: str
    reason: str


class AskingCommands:
    """The handlers, with the rule by which written answers are due."""

    def __init__(self, rule: ReplyRule) -> None:
        self._rule = rule
        self.ask = Handler("AskConsultation", self._ask, rpc.AskConsultationResponse, _ask_needs)
        self.invite = Handler(
            "InviteUnit", self._invite, rpc.InviteUnitResponse,
            lambda c: (*consultation_needs(c.consultation_id), Need(units, "id", (c.unit_id,))), _stream,
        )  # fmt: skip
        self.leave = Handler("LeaveConsultation", _leave, rpc.LeaveConsultationResponse, _needs, _stream)
        self.close = Handler("CloseConsultation", _close, rpc.CloseConsultationResponse, _needs, _stream)
        self.reopen = Handler("ReopenConsultation", self._reopen, rpc.ReopenConsultationResponse, _needs, _stream)

    def _ask(self, command: Ask, work: Work) -> rpc.AskConsultationResponse:
        request = command.request
        _check(request, work.actor.agency_id)
        consultation = _asked(command, work, self._rule)
        work.save(consultations, consultation_row(consultation))
        work.index(QUESTION_TEXT, consultation.id, question_text(consultation))
        end = {"consultation_id": consultation.id, "last_sequence": 0, "is_open": True}
        work.save(conversations, end)
        work.save(participants, _askers_seat(consultation.id, work))
        for unit_id in dict.fromkeys(request.consulted_unit_ids):
            start_clock(work, self._rule, admit(work, consultation.id, unit_id, pb.PARTICIPANT_ROLE_CONSULTED))
        for unit_id in dict.fromkeys(request.invited_unit_ids):
            admit(work, consultation.id, unit_id, pb.PARTICIPANT_ROLE_INVITED)
        asked = whole(work, _row(work, consultation.id))
        work.record(consultation_stream(asked.id), events_pb2.ConsultationAsked(consultation=asked))
        return rpc.AskConsultationResponse(consultation=asked)

    def _invite(self, command: Invite, work: Work) -> rpc.InviteUnitResponse:
        row, mine = open_part(work, command.consultation_id)
        v.check(v.text("reason", command.reason, v.MAX_REASON))
        if command.owes_answer and mine["role"] != pb.PARTICIPANT_ROLE_ASKER:
            raise errors.NotTheAsker
        before = seat_of(work, command.consultation_id, command.unit_id)
        if before is not None and before["is_present"]:
            raise errors.AlreadyParticipant(command.unit_id)
        role = pb.PARTICIPANT_ROLE_CONSULTED if command.owes_answer else pb.PARTICIPANT_ROLE_INVITED
        seat = admit(work, command.consultation_id, command.unit_id, role)
        clocks = [start_clock(work, self._rule, seat)] if command.owes_answer else []
        text = f"{seat['unit_name']}加入咨询" + (f"：{command.reason}" if command.reason else "")
        append(work, command.consultation_id, pb.MESSAGE_KIND_JOINED, text=text, by=work.actor)
        event = events_pb2.UnitJoined(
            consultation=summary(stored(row)), participant=to_participant(seat, clocks), reason=command.reason
        )
        work.record(consultation_stream(command.consultation_id), event)
        return rpc.InviteUnitResponse(consultation=shown_to(whole(work, row), work.actor.agency_id))

    def _reopen(self, command: Reopen, work: Work) -> rpc.ReopenConsultationResponse:
        row = askers_part(work, command.consultation_id)
        if row["state"] == pb.CONSULTATION_STATE_OPEN:
            raise errors.ConsultationOpen(command.consultation_id)
        v.require_reason("Reopening", command.reason)
        consultation = stored(row)
        consultation.state = pb.CONSULTATION_STATE_OPEN
        consultation.ClearField("closed_at")
        consultation.ClearField("close_reason")
        consultation.reply_limit.CopyFrom(self._rule.limit(work.now).told)
        _set_open(work, consultation, is_open=True)
        owing = [
            to_participant(seat, [start_clock(work, self._rule, seat)])
            for seat in work.rows(participants, "consultation_id", command.consultation_id)
            if seat["is_present"] and seat["role"] == pb.PARTICIPANT_ROLE_CONSULTED
        ]
        text = f"重新启动咨询：{command.reason}"
        append(work, command.consultation_id, pb.MESSAGE_KIND_REOPENED, text=text, by=work.actor)
        event = events_pb2.ConsultationReopened(
            consultation=summary(consultation), reason=command.reason, participants=owing
        )
        work.record(consultation_stream(command.consultation_id), event)
        return rpc.ReopenConsultationResponse(consultation=whole(work, _row(work, consultation.id)))


def _ask_needs(command: Ask) -> Sequence[Need]:
    asked = (*command.request.consulted_unit_ids, *command.request.invited_unit_ids)
    wanted = (Need(units, "id", tuple(dict.fromkeys(asked))),) if asked else ()
    mine = tuple(
        Need(table, "consultation_id", (command.consultation_id,)) for table in (participants, reply_clocks, answers)
    )
    return (*wanted, *mine)


def _needs(command: Leave | Close | Reopen) -> Sequence[Need]:
    return consultation_needs(command.consultation_id)


def _stream(command: Invite | Leave | Close | Reopen) -> Sequence[str]:
    return (consultation_stream(command.consultation_id),)


def _row(work: Work, consultation_id: str) -> Row:
    row = work.row(consultations, consultation_id)
    if row is None:
        raise errors.ConsultationNotFound(consultation_id)
    return row


def _check(request: rpc.AskConsultationRequest, own_unit: str) -> None:
    v.check(
        v.known("kind", request.kind, pb.ConsultationKind.values(), is_required=True),
        v.known("urgency", request.urgency, pb.Urgency.values()),
        v.text("title", request.title, v.MAX_TITLE, is_required=True),
        v.text("question", request.question, v.MAX_TEXT, is_required=True),
        v.text("cause", request.cause, 500),
        v.text("offence_name_zh", request.offence_name_zh, v.MAX_NAME),
        v.text("case_id", request.case_id, v.MAX_NAME),
        v.text("screening_id", request.screening_id, v.MAX_NAME),
        v.facts("facts", request.facts),
        v.files("files", request.files),
        v.text("consulted_unit_ids", "".join(request.consulted_unit_ids[:1]), v.MAX_NAME, is_required=True),
        v.size("consulted_unit_ids", request.consulted_unit_ids, MAX_UNITS),
        v.size("invited_unit_ids", request.invited_unit_ids, MAX_UNITS),
    )
    if own_unit in {*request.consulted_unit_ids, *request.invited_unit_ids}:
        raise errors.AsksItself
    for unit_id in request.invited_unit_ids:
        if unit_id in request.consulted_unit_ids:
            raise errors.AlreadyParticipant(unit_id)


def _asked(command: Ask, work: Work, rule: ReplyRule) -> pb.Consultation:
    request = command.request
    consultation = pb.Consultation(
        id=command.consultation_id,
        kind=request.kind,
        urgency=request.urgency or pb.URGENCY_ORDINARY,
        title=request.title.strip(),
        question=request.question,
        cause=request.cause,
        offence_name_zh=request.offence_name_zh,
        facts=request.facts,
        files=request.files,
        case_id=request.case_id,
        screening_id=request.screening_id,
        asked_by=actor_of(work.actor),
        asker_unit_name=work.actor.agency_name,
        state=pb.CONSULTATION_STATE_OPEN,
        reply_limit=rule.limit(work.now).told,
    )
    consultation.asked_at.FromDatetime(work.now)
    return consultation


def _askers_seat(consultation_id: str, work: Work) -> dict[str, object]:
    return {
        "id": seat_key(consultation_id, work.actor.agency_id),
        "consultation_id": consultation_id,
        "unit_id": work.actor.agency_id,
        "unit_name": work.actor.agency_name,
        "region": work.actor.region,
        "role": pb.PARTICIPANT_ROLE_ASKER,
        "is_present": True,
        "joined_at": to_micros(work.now),
        "left_at": None,
    }


def _leave(command: Leave, work: Work) -> rpc.LeaveConsultationResponse:
    row, mine = open_part(work, command.consultation_id)
    v.check(v.text("reason", command.reason, v.MAX_REASON))
    unit_id = command.unit_id or work.actor.agency_id
    if unit_id != work.actor.agency_id and mine["role"] != pb.PARTICIPANT_ROLE_ASKER:
        raise errors.NotTheAsker
    seat = seat_of(work, command.consultation_id, unit_id)
    if seat is None or not seat["is_present"]:
        raise errors.UnitUnknown(unit_id)
    if seat["role"] == pb.PARTICIPANT_ROLE_ASKER:
        raise errors.AskerCannotLeave
    gone = {**seat, "is_present": False, "left_at": to_micros(work.now)}
    work.save(participants, gone)
    end_clocks(work, command.consultation_id, unit_id)
    text = f"{seat['unit_name']}退出咨询" + (f"：{command.reason}" if command.reason else "")
    message = append(work, command.consultation_id, pb.MESSAGE_KIND_LEFT, text=text, by=work.actor)
    event = events_pb2.UnitLeft(
        consultation=summary(stored(row)), participant=to_participant(gone, ()), reason=command.reason
    )
    work.record(consultation_stream(command.consultation_id), event)
    return rpc.LeaveConsultationResponse(sequence=message.sequence)


def _close(command: Close, work: Work) -> rpc.CloseConsultationResponse:
    row = askers_part(work, command.consultation_id)
    if row["state"] != pb.CONSULTATION_STATE_OPEN:
        raise errors.ConsultationClosed(command.consultation_id)
    for given in work.rows(answers, "consultation_id", command.consultation_id):
        if given["outcome"] == pb.OUTCOME_UNSPECIFIED:
            raise errors.OutcomeRequired(pb.Answer.FromString(given["body"]).document_number)
    if running_clocks(work, command.consultation_id):
        v.require_reason("Closing while an answer is owed", command.reason)
    v.check(v.text("reason", command.reason, v.MAX_REASON))
    consultation = stored(row)
    consultation.state = pb.CONSULTATION_STATE_CLOSED
    consultation.close_reason = command.reason
    consultation.closed_at.FromDatetime(work.now)
    _set_open(work, consultation, is_open=False)
    end_clocks(work, command.consultation_id)
    text = "咨询办结" + (f"：{command.reason}" if command.reason else "")
    append(work, command.consultation_id, pb.MESSAGE_KIND_CLOSED, text=text, by=work.actor)
    event = events_pb2.ConsultationClosed(consultation=summary(consultation), reason=command.reason)
    work.record(consultation_stream(command.consultation_id), event)
    return rpc.CloseConsultationResponse(consultation=whole(work, _row(work, consultation.id)))


def _set_open(work: Work, consultation: pb.Consultation, *, is_open: bool) -> None:
    """Store the consultation's new state beside its conversation's."""
    work.save(consultations, consultation_row(consultation))
    end = work.row(conversations, consultation.id)
    last = end["last_sequence"] if end else 0
    work.save(conversations, {"consultation_id": consultation.id, "last_sequence": last, "is_open": is_open})
