"""Formal answers: given, received, followed or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from liangfa_joint_meeting import errors
from liangfa_joint_meeting import validation as v
from liangfa_joint_meeting.commands.taking_part import askers_part, end_clocks, open_part, running_clocks
from liangfa_joint_meeting.records import (
    STANDING_EN,
    STANDING_ZH,
    actor_of,
    answer_hash,
    answer_row,
    append,
    consultation_needs,
    consultation_stream,
    stored,
    summary,
)
from liangfa_joint_meeting.tables import answers, document_counts, units
from liangfa_kit.clock import BEIJING, to_micros
from liangfa_kit.store.port import Row
from liangfa_kit.work import Handler, Need, Work
from liangfa_protos.joint_meeting.v1 import consultation_pb2 as pb
from liangfa_protos.joint_meeting.v1 import consultation_service_pb2 as rpc
from liangfa_protos.joint_meeting.v1 import events_pb2
from liangfa_protos.joint_meeting.v1.unit_service_pb2 import Unit

_NUMBERED = "answer"


@dataclass(frozen=True, slots=True)
class GiveAnswer:
    """Answer formally, as `unit_id`, the caller's. `years` are those that the answer may fall in when it is written."""

    consultation_id: str
    unit_id: str
    view: str
    grounds: str
    years: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Receive an answer whose hash is `sha256`."""

    consultation_id: str
    answer_id: str
    sha256: str


@dataclass(frozen=True, slots=True)
class RecordOutcome:
    """Say what became of an answer."""

    consultation_id: str
    answer_id: str
    outcome: pb.Outcome.ValueType
    reason: str


def count_key(document: str, unit_id: str, year: int) -> str:
    """Return the key of the count of a unit's documents in a year."""
    return f"{document}/{unit_id}/{year}"


def next_number(work: Work, document: str, unit_id: str, year: int) -> int:
    """Return the next number of a unit's documents in a year: from 1, no gap, no repeat. The count must be needed.

    The number is taken in the command's own transaction: a refused command takes none, and two never take the same.
    """
    key = count_key(document, unit_id, year)
    count = work.row(document_counts, key)
    number = (count["last_number"] if count else 0) + 1
    work.save(document_counts, {"id": key, "last_number": number})
    return number


def _give(command: GiveAnswer, work: Work) -> rpc.GiveAnswerResponse:
    row, mine = open_part(work, command.consultation_id)
    if mine["role"] != pb.PARTICIPANT_ROLE_CONSULTED:
        raise errors.NotConsulted
    v.check(
        v.text("view", command.view, v.MAX_TEXT, is_required=True),
        v.text("grounds", command.grounds, v.MAX_TEXT, is_required=True),
    )
    answer = _signed(command, work)
    work.save(answers, answer_row(answer))
    end_clocks(work, command.consultation_id, command.unit_id, is_answered=True)
    text = f"{answer.document_number}\n{answer.view}\n{answer.grounds}"
    append(work, command.consultation_id, pb.MESSAGE_KIND_ANSWERED, text=text, by=work.actor, answer_id=answer.id)
    event = events_pb2.AnswerGiven(consultation=summary(stored(row)), answer=answer)
    work.record(consultation_stream(command.consultation_id), event)
    return rpc.GiveAnswerResponse(answer=answer)


def _signed(command: GiveAnswer, work: Work) -> pb.Answer:
    year = work.now.astimezone(BEIJING).year
    number = next_number(work, _NUMBERED, command.unit_id, year)
    unit = work.row(units, command.unit_id)
    prefix = Unit.FromString(unit["body"]).document_prefix if unit else ""
    late = [one for one in running_clocks(work, command.consultation_id) if one["unit_id"] == command.unit_id]
    answer = pb.Answer(
        id=work.new_id(),
        consultation_id=command.consultation_id,
        unit_id=command.unit_id,
        unit_name=work.actor.agency_name,
        number=number,
        year=year,
        document_number=f"{prefix or work.actor.agency_name}咨复〔{year}〕{number}号",
        view=command.view,
        grounds=command.grounds,
        signer=actor_of(work.actor),
        standing_zh=STANDING_ZH,
        standing_en=STANDING_EN,
        in_time=all(to_micros(work.now) < clock["due_at"] for clock in late),
    )
    answer.signed_at.FromDatetime(work.now)
    answer.sha256 = answer_hash(answer)
    return answer


def _acknowledge(command: Acknowledge, work: Work) -> rpc.AcknowledgeAnswerResponse:
    row = askers_part(work, command.consultation_id)
    answer = _answer(work, command.consultation_id, command.answer_id)
    if command.sha256 != answer.sha256:
        raise errors.AnswerHashMismatch(command.sha256[:64])
    if not answer.HasField("received_by"):
        answer.received_by.CopyFrom(actor_of(work.actor))
        answer.received_at.FromDatetime(work.now)
        work.save(answers, answer_row(answer))
        text = f"签收 {answer.document_number}"
        append(
            work, command.consultation_id, pb.MESSAGE_KIND_ACKNOWLEDGED, text=text, by=work.actor, answer_id=answer.id
        )
        event = events_pb2.AnswerAcknowledged(consultation=summary(stored(row)), answer=answer)
        work.record(consultation_stream(command.consultation_id), event)
    return rpc.AcknowledgeAnswerResponse(answer=answer)


def _outcome(command: RecordOutcome, work: Work) -> rpc.RecordOutcomeResponse:
    row = askers_part(work, command.consultation_id)
    answer = _answer(work, command.consultation_id, command.answer_id)
    if not answer.HasField("received_by"):
        raise errors.AnswerNotReceived
    v.check(v.known("outcome", command.outcome, pb.Outcome.values(), is_required=True))
    v.require_reason("What became of an answer", command.reason)
    answer.outcome, answer.outcome_reason = command.outcome, command.reason
    answer.outcome_at.FromDatetime(work.now)
    work.save(answers, answer_row(answer))
    word = "采纳" if command.outcome == pb.OUTCOME_FOLLOWED else "未采纳"
    text = f"{word} {answer.document_number}：{command.reason}"
    append(work, command.consultation_id, pb.MESSAGE_KIND_OUTCOME, text=text, by=work.actor, answer_id=answer.id)
    event = events_pb2.OutcomeRecorded(consultation=summary(stored(row)), answer=answer)
    work.record(consultation_stream(command.consultation_id), event)
    return rpc.RecordOutcomeResponse(answer=answer)


def _answer(work: Work, consultation_id: str, answer_id: str) -> pb.Answer:
    given = work.rows(answers, "consultation_id", consultation_id)
    row: Row | None = next((one for one in given if one["id"] == answer_id), None)
    if row is None:
        raise errors.AnswerNotFound(answer_id)
    return pb.Answer.FromString(row["body"])


def _give_needs(command: GiveAnswer) -> Sequence[Need]:
    keys = tuple(count_key(_NUMBERED, command.unit_id, year) for year in command.years)
    return (
        *consultation_needs(command.consultation_id),
        Need(document_counts, "id", keys),
        Need(units, "id", (command.unit_id,)),
    )


def _needs(command: Acknowledge | RecordOutcome) -> Sequence[Need]:
    return consultation_needs(command.consultation_id)


def _stream(command: GiveAnswer | Acknowledge | RecordOutcome) -> Sequence[str]:
    return (consultation_stream(command.consultation_id),)


GIVE_ANSWER = Handler("GiveAnswer", _give, rpc.GiveAnswerResponse, _give_needs, _stream)
ACKNOWLEDGE = Handler("AcknowledgeAnswer", _acknowledge, rpc.AcknowledgeAnswerResponse, _needs, _stream)
OUTCOME = Handler("RecordOutcome", _outcome, rpc.RecordOutcomeResponse, _needs, _stream)
