"""Commands on one case: enter, amend, move, record an act, decide, view, screen again, review."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from liangfa_enforcement_record import errors
from liangfa_enforcement_record.authority import require_own, require_visible
from liangfa_enforcement_record.commands.amending import take_field
from liangfa_enforcement_record.commands.entering import change_case, enter_case, keep_result, party_needs, screen_again
from liangfa_enforcement_record.masking import unmasked
from liangfa_enforcement_record.records import case_stream, natural_key, summary, usual_title
from liangfa_enforcement_record.screening import CaseScreening
from liangfa_enforcement_record.stages import BY_STAGES, DECIDED, ENDED, FIRST, possible_moves
from liangfa_enforcement_record.tables import cases, screenings, steps
from liangfa_enforcement_record.validation import MAX_TEXT, check_case, check_decision, check_step, text_violations
from liangfa_kit.clock import to_micros
from liangfa_kit.errors import FieldViolation, Stale
from liangfa_kit.identity import Actor
from liangfa_kit.store.port import Row
from liangfa_kit.work import Handler, Need, Work
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as rpc
from liangfa_protos.enforcement_record.v1 import events_pb2
from liangfa_protos.enforcement_record.v1 import screening_service_pb2 as screening_rpc
from liangfa_protos.standards.v1 import values_pb2


@dataclass(frozen=True, slots=True)
class RegisterCase:
    """Enter `case` for the agency of the actor, in `region`, the actor's; `agency_id` is the actor's too."""

    case: pb.Case
    region: str
    agency_id: str


@dataclass(frozen=True, slots=True)
class AmendCase:
    """Change `fields` of a case to the values in `case`. `stored` is the case as the servicer read it."""

    case_id: str
    expected_version: int
    case: pb.Case
    fields: Sequence[str]
    reason: str
    stored: pb.Case


@dataclass(frozen=True, slots=True)
class AdvanceStage:
    """Move a case to `to_stage`."""

    case_id: str
    expected_version: int
    to_stage: pb.Stage.ValueType
    reason: str


@dataclass(frozen=True, slots=True)
class RecordStep:
    """Record an act of enforcement."""

    case_id: str
    step: pb.Step


@dataclass(frozen=True, slots=True)
class RecordDecision:
    """Record the penalty decision. `stored` is the case as the servicer read it."""

    case_id: str
    expected_version: int
    decision: pb.Decision
    stored: pb.Case


@dataclass(frozen=True, slots=True)
class ViewCase:
    """Note that the actor read a case or a part of it, and why."""

    case_id: str
    purpose: str
    revealed: bool = False
    part: str = "case"


@dataclass(frozen=True, slots=True)
class ScreenCase:
    """Screen a case again under the present rules. `stored` is the case as the servicer read it."""

    case_id: str
    stored: pb.Case


@dataclass(frozen=True, slots=True)
class ReviewHit:
    """Give a verdict on a screening result of the case `case_id`."""

    screening_id: str
    case_id: str
    accepted: bool
    reason: str
    corrected_offence_id: str


class CaseCommands:
    """The handlers, with the rules they screen by."""

    def __init__(self, screening: CaseScreening) -> None:
        self._screening = screening
        case_need: Callable[[Any], Sequence[Need]] = lambda c: _case_needs(c.case_id)  # noqa: E731 - used by six handlers
        stream: Callable[[Any], Sequence[str]] = lambda c: (case_stream(c.case_id),)  # noqa: E731 - likewise
        self.register = Handler("RegisterCase", self._register, rpc.RegisterCaseResponse, _register_needs)
        self.amend = Handler("AmendCase", self._amend, rpc.AmendCaseResponse, _amend_needs, stream)
        self.advance = Handler("AdvanceStage", _advance, rpc.AdvanceStageResponse, case_need, stream)
        self.step = Handler("RecordStep", _record_step, rpc.RecordStepResponse, case_need, stream)
        self.decide = Handler("RecordDecision", self._decide, rpc.RecordDecisionResponse, _decide_needs, stream)
        self.view = Handler("ViewCase", _view, rpc.GetCaseResponse, case_need, lambda c: (f"view/{c.case_id}",))
        self.screen = Handler(
            "ScreenCase", self._screen, screening_rpc.ScreenCaseResponse,
            lambda c: (*_case_needs(c.case_id), *party_needs(c.stored, c.stored.region)), stream,
        )  # fmt: skip
        self.review = Handler(
            "ReviewHit", self._review, screening_rpc.ReviewHitResponse,
            lambda c: (*_case_needs(c.case_id), Need(screenings, "id", (c.screening_id,))), stream,
        )  # fmt: skip

    def _register(self, command: RegisterCase, work: Work) -> rpc.RegisterCaseResponse:
        case = pb.Case()
        case.CopyFrom(command.case)
        check_case(case)
        _set_by_server(case, work.actor)
        _refuse_taken_number(case, work)
        key = natural_key(case.agency_id, case.decision.document_number, case.parties)
        result = enter_case(case, work, self._screening, natural_key=key)
        return rpc.RegisterCaseResponse(case=case, screening=result or _clear(case))

    def _amend(self, command: AmendCase, work: Work) -> rpc.AmendCaseResponse:
        row, before = _open_case(command.case_id, work, command.expected_version)
        _require_reason("An amendment", command.reason)
        after = pb.Case()
        after.CopyFrom(before)
        new = unmasked(command.case, before)
        changes = [change for name in dict.fromkeys(command.fields) if (change := take_field(name, new, after))]
        if not changes:
            raise errors.NothingChanged
        check_case(after, before)
        _refuse_taken_number(after, work)
        screened = change_case(after, before, row, work, self._screening)
        event = events_pb2.CaseAmended(
            case=summary(after), changes=changes, reason=command.reason, after_decision=before.stage in DECIDED
        )
        work.record(case_stream(after.id), event)
        keep_result(after, screened, work, work.rows(screenings, "case_id", after.id))
        return rpc.AmendCaseResponse(case=after, changes=changes)

    def _decide(self, command: RecordDecision, work: Work) -> rpc.RecordDecisionResponse:
        row, before = _open_case(command.case_id, work, command.expected_version)
        move = BY_STAGES.get((before.stage, pb.STAGE_DECIDED))
        if move is None or not move.roles & work.actor.roles:
            raise _not_allowed(before.stage, pb.STAGE_DECIDED, work.actor.roles)
        check_decision(command.decision)
        after = pb.Case()
        after.CopyFrom(before)
        after.decision.CopyFrom(command.decision)
        after.stage = pb.STAGE_DECIDED
        _refuse_taken_number(after, work)
        if row["natural_key"] is None:
            key = natural_key(after.agency_id, after.decision.document_number, after.parties)
            row = {**row, "natural_key": key}
        screened = change_case(after, before, row, work, self._screening)
        work.record(case_stream(after.id), events_pb2.DecisionRecorded(case=summary(after), decision=after.decision))
        result = keep_result(after, screened, work, work.rows(screenings, "case_id", after.id))
        return rpc.RecordDecisionResponse(case=after, screening=result)

    def _screen(self, command: ScreenCase, work: Work) -> screening_rpc.ScreenCaseResponse:
        """Screen again. The officer's content does not change, so its version stays; the same result leaves no trace."""
        row = _case_row(command.case_id, work)
        case = pb.Case.FromString(row["body"])
        require_version(case, command.stored.version)
        screened = screen_again(case, row, work, self._screening)
        result = keep_result(case, screened, work, work.rows(screenings, "case_id", case.id))
        return screening_rpc.ScreenCaseResponse(screening=result)

    def _review(self, command: ReviewHit, work: Work) -> screening_rpc.ReviewHitResponse:
        """Keep a verdict on a case's present result: one on a replaced result would be taken for one on the present."""
        row = work.row(screenings, command.screening_id)
        if row is None or row["case_id"] != command.case_id:
            raise errors.ScreeningNotFound(command.screening_id)
        case = pb.Case.FromString(_seen_row(command.case_id, work)["body"])
        _require_reason("A verdict", command.reason)
        if not row["is_newest"]:
            raise errors.ScreeningSuperseded(command.screening_id)
        if (
            command.corrected_offence_id
            and command.corrected_offence_id not in self._screening.screener.library.offences
        ):
            violation = FieldViolation(
                "corrected_offence_id", "VALUE_UNKNOWN", "规则库中没有该罪名 (no offence of the library)"
            )
            raise errors.invalid([violation])
        result = pb.Screening.FromString(row["body"])
        actor = work.actor
        result.verdict.accepted, result.verdict.reason = command.accepted, command.reason
        result.verdict.reviewer.CopyFrom(
            values_pb2.Actor(
                person_id=actor.person_id, person_name=actor.person_name, agency_id=actor.agency_id, region=actor.region
            )
        )
        result.verdict.reviewed_at.FromDatetime(work.now)
        verdict = {"is_accepted": command.accepted, "corrected_offence_id": command.corrected_offence_id}
        work.save(screenings, {**row, **verdict, "body": result.SerializeToString(deterministic=True)})
        event = events_pb2.HitReviewed(case=summary(case), screening_id=result.id, verdict=result.verdict)
        work.record(case_stream(case.id), event)
        return screening_rpc.ReviewHitResponse(screening=result)


def _case_needs(case_id: str) -> tuple[Need, ...]:
    return (Need(cases, "id", (case_id,)), Need(screenings, "case_id", (case_id,)))


def _number_needs(agency_id: str, *versions: pb.Case) -> tuple[Need, ...]:
    """Return the cases that bear the document numbers of any two versions' decisions and parties."""
    decided = [(each.decision.document_number, other.parties) for each in versions for other in versions]
    numbers = tuple({number for number, _ in decided if number})
    keys = tuple({key for number, parties in decided if (key := natural_key(agency_id, number, parties))})
    found = (Need(cases, "document_number", numbers),) if numbers else ()
    return (*found, Need(cases, "natural_key", keys)) if keys else found


def _register_needs(command: RegisterCase) -> tuple[Need, ...]:
    return (*party_needs(command.case, command.region), *_number_needs(command.agency_id, command.case))


def _amend_needs(command: AmendCase) -> tuple[Need, ...]:
    stored = command.stored
    numbers = _number_needs(stored.agency_id, command.case, stored)
    parties = (*party_needs(stored, stored.region), *party_needs(unmasked(command.case, stored), stored.region))
    return (*_case_needs(command.case_id), *parties, *numbers)


def _decide_needs(command: RecordDecision) -> tuple[Need, ...]:
    return (
        *_case_needs(command.case_id),
        *party_needs(command.stored, command.stored.region),
        *_number_needs(command.stored.agency_id, pb.Case(decision=command.decision, parties=command.stored.parties)),
    )


def _seen_row(case_id: str, work: Work) -> Row:
    """Return the row of a case that the actor may see."""
    row = work.row(cases, case_id)
    if row is None:
        raise errors.CaseNotFound(case_id)
    require_visible(work.actor, case_id, row["agency_id"], row["region"])
    return row


def _case_row(case_id: str, work: Work) -> Row:
    """Return the row of a case of the actor's own agency."""
    row = work.row(cases, case_id)
    if row is None:
        raise errors.CaseNotFound(case_id)
    require_own(work.actor, case_id, row["agency_id"], row["region"])
    return row


def own_open_case(case_id: str, work: Work) -> tuple[Row, pb.Case]:
    """Return a case of the actor's own agency that takes changes."""
    row = _case_row(case_id, work)
    case = pb.Case.FromString(row["body"])
    if case.stage in ENDED:
        raise errors.CaseEnded(case_id, pb.Stage.Name(case.stage))
    return row, case


def _open_case(case_id: str, work: Work, expected_version: int) -> tuple[Row, pb.Case]:
    """Return a case that takes changes, at the version that the caller read."""
    row = _case_row(case_id, work)
    case = pb.Case.FromString(row["body"])
    require_version(case, expected_version)
    if case.stage in ENDED:
        raise errors.CaseEnded(case_id, pb.Stage.Name(case.stage))
    return row, case


def _clear(case: pb.Case) -> pb.Screening:
    """Return what is said of a case in which nothing was found; it is not stored beside the case."""
    return pb.Screening(
        case_id=case.id,
        outcome=case.screening_outcome,
        library_version=case.library_version,
        screened_at=case.registered_at,
    )


def require_version(case: pb.Case, expected: int) -> None:
    """Raise `Stale` unless the case is at the version that the caller read."""
    if case.version != expected:
        raise Stale(
            f"Case {case.id} is at version {case.version}, not {expected}: somebody changed it.",
            message_zh=f"案件已被他人修改（当前版本 {case.version}，您读取的是 {expected}）。",
            remedy="Read the case again, check the change, and send your command with the new version.",
            case_id=case.id,
            found=case.version,
            expected=expected,
        )


def _refuse_taken_number(case: pb.Case, work: Work) -> None:
    """Raise `DocumentNumberTaken` when another case of the agency has this document number and these parties."""
    number = case.decision.document_number
    if not number:
        return
    names = "、".join(party.name for party in case.parties)
    for row in work.rows(cases, "document_number", number):
        if row["id"] != case.id and row["agency_id"] == case.agency_id and row["party_names"] == names:
            raise errors.DocumentNumberTaken(number, row["id"])
    key = natural_key(case.agency_id, number, case.parties)
    for row in work.rows(cases, "natural_key", key) if key else ():  # the same number in another spelling
        if row["id"] != case.id:
            raise errors.DocumentNumberTaken(number, row["id"])


def _require_reason(what: str, reason: str) -> None:
    """Raise `ReasonRequired` for an empty reason, `Invalid` for one that cannot be kept."""
    if not reason.strip():
        raise errors.ReasonRequired(what)
    if violations := list(text_violations([("reason", reason, MAX_TEXT)])):
        raise errors.invalid(violations)


def _set_by_server(case: pb.Case, actor: Actor) -> None:
    """Overwrite what a client may not say of a new case."""
    for name in ("evidence", "import_id", "screening_outcome", "library_version"):
        case.ClearField(name)
    case.agency_id, case.agency_name = actor.agency_id, actor.agency_name
    case.agency_type, case.region = actor.agency_type, actor.region
    case.stage = _first_stage(case)
    case.title = case.title or usual_title(case)


def _first_stage(case: pb.Case) -> pb.Stage.ValueType:
    if case.HasField("decision"):
        return pb.STAGE_DECIDED
    return case.stage if case.stage in FIRST else pb.STAGE_RECEIVED


def _not_allowed(
    before: pb.Stage.ValueType, after: pb.Stage.ValueType, roles: frozenset[str]
) -> errors.StageNotAllowed:
    possible = ", ".join(pb.Stage.Name(stage) for stage in possible_moves(before, roles))
    return errors.StageNotAllowed(pb.Stage.Name(before), stage_name(after), possible)


def stage_name(stage: int) -> str:
    """Return a stage's name; a number that no stage has as itself."""
    return pb.Stage.Name(stage) if stage in pb.Stage.values() else str(stage)  # type: ignore[arg-type]  # checked


def _advance(command: AdvanceStage, work: Work) -> rpc.AdvanceStageResponse:
    row = _case_row(command.case_id, work)
    case = pb.Case.FromString(row["body"])
    if case.stage not in ENDED or case.version != command.expected_version:
        _, case = _open_case(command.case_id, work, command.expected_version)
    move = BY_STAGES.get((case.stage, command.to_stage))
    if move is None or not move.roles & work.actor.roles:
        raise _not_allowed(case.stage, command.to_stage, work.actor.roles)
    if move.needs_decision and not case.HasField("decision"):
        violation = FieldViolation("decision", "FIELD_REQUIRED", "record the decision with RecordDecision")
        raise errors.invalid([violation])
    if move.needs_reason or command.reason:
        _require_reason("This move", command.reason)
    before = case.stage
    case.stage = command.to_stage
    case.version += 1
    work.save(cases, {**row, "stage": case.stage, "version": case.version, "body": case.SerializeToString()})
    event = events_pb2.StageAdvanced(case=summary(case), from_stage=before, reason=command.reason)
    work.record(case_stream(case.id), event)
    return rpc.AdvanceStageResponse(case=case)


def _record_step(command: RecordStep, work: Work) -> rpc.RecordStepResponse:
    _row, case = own_open_case(command.case_id, work)
    check_step(command.step)
    step = pb.Step()
    step.CopyFrom(command.step)
    step.id = work.new_id()
    step.recorded_at.FromDatetime(work.now)
    done_at = to_micros(step.done_at.ToDatetime(tzinfo=work.now.tzinfo))
    work.save(steps, {"id": step.id, "case_id": case.id, "done_at": done_at, "body": step.SerializeToString()})
    work.record(case_stream(case.id), events_pb2.StepRecorded(case=summary(case), step=step))
    return rpc.RecordStepResponse(step=step)


def _view(command: ViewCase, work: Work) -> rpc.GetCaseResponse:
    case = pb.Case.FromString(_seen_row(command.case_id, work)["body"])
    event = events_pb2.CaseViewed(
        case=summary(case), purpose=command.purpose, revealed=command.revealed, part=command.part
    )
    work.record(f"view/{case.id}", event)
    return rpc.GetCaseResponse(case=case, possible_stages=possible_moves(case.stage, work.actor.roles))
