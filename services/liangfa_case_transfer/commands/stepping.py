"""Taking a step. The table decides what may be done; nothing here knows a step by its name but the two that sign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from liangfa_case_transfer import errors
from liangfa_case_transfer.authority import party, side_of, sides
from liangfa_case_transfer.commands.handing_over import HandOver
from liangfa_case_transfer.commands.paper_numbers import note_numbers, paper_needs
from liangfa_case_transfer.commands.referring import (
    document_needs,
    filled_in,
    hand_over,
    pass_documents_on,
    referred,
    take_named_day,
)
from liangfa_case_transfer.keyring import Keyring
from liangfa_case_transfer.records import (
    actor_of,
    step_key,
    stored,
    transfer_needs,
    transfer_row,
    transfer_stream,
)
from liangfa_case_transfer.tables import former_receivers, taken_steps, transfers
from liangfa_case_transfer.timing import Clocks, is_held
from liangfa_case_transfer.validation import check_people, check_reply_by, check_step
from liangfa_kit.errors import FieldViolation
from liangfa_kit.work import Handler, Need, Work
from liangfa_procedure.clocks import Calendar
from liangfa_procedure.documents import documents
from liangfa_procedure.rules import NAMED_BY_DOCUMENT
from liangfa_procedure.steps import Procedure, Scope, Step
from liangfa_protos.case_transfer.v1 import events_pb2
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc

PROCEDURE = Procedure.load()
SIDE_BY_ROLE = {role.id: role.side for role in PROCEDURE.roles.values()}
RECEIVING_ORGAN = "receiving_organ"
"""The field that names the police organ to which a step passes the case on."""
FIRST_SUSPECT_STATE = "investigated"
FILED = "filed"
ACCEPT = "accept_transfer"
"""Whoever accepts a transfer has received it: the receipt of its delivery is signed with it (国务院令第310号第七条)."""


@dataclass(frozen=True, slots=True)
class Take:
    """Take the step that `request` asks for."""

    request: rpc.TakeStepRequest


class SteppingCommands:
    """The handler, with the calendar by which days are counted and the keys with which hand-overs are signed."""

    def __init__(self, calendar: Calendar, keyring: Keyring) -> None:
        self._calendar = calendar
        self._keyring = keyring
        self.take = Handler(
            "TakeStep",
            self._take,
            rpc.TakeStepResponse,
            _needs,
            lambda c: (transfer_stream(c.request.transfer_id),),
        )

    def _take(self, command: Take, work: Work) -> rpc.TakeStepResponse:
        request = rpc.TakeStepRequest()
        request.CopyFrom(command.request)
        row, transfer = stored(work, request.transfer_id)
        check_step(request)
        step = allowed_step(request, transfer, work)
        work.expect(transfer_stream(transfer.id), request.expected_version)
        issued = referred(request, transfer, work)
        note_numbers(request.documents, transfer, work)
        if any(event in NAMED_BY_DOCUMENT for event in step.on_receipt):
            take_named_day(request, issued)
        with_documents = list(filled_in(request.documents, issued))
        del request.documents[:]
        request.documents.extend(with_documents)
        check_contents(step, request)
        at = happened_at(request, transfer, work.now)
        check_reply_by(request, at)
        taken = _taken(step, request, work, row["steps"] + 1, at)
        running = Clocks(transfer, work, self._calendar, row["clocks"])
        if request.HasField("happened_at") and running.begins_after(step, taken.suspect_id, at):
            raise errors.TimeOutOfOrder
        if running.changes_nothing(step, taken.suspect_id):
            raise errors.step_changes_nothing(step)
        was_held = is_held(transfer, taken.suspect_id)
        _move(step, request, transfer, taken, at)
        giving = HandOver(transfer, row, work, self._keyring)
        giving.acknowledge_answered(step, taken.suspect_id, running, at)
        giving.end_awaited(step, taken.suspect_id, running)
        running.take(step, taken.suspect_id, at)
        if is_held(transfer, taken.suspect_id) != was_held:
            running.change_custody(taken.suspect_id, step.name_zh, at)
        if step.id == ACCEPT:
            giving.acknowledge_all(running, at)
        if RECEIVING_ORGAN in step.required_fields:
            _pass_on(request, transfer, running, work)
        given = [giving.give(taken, party(transfer, side)) for side in step.receivers]
        hand_over(issued, [receipt.receiver.id for receipt in given], work)
        if PROCEDURE.states[Scope.TRANSFER][transfer.state].is_terminal:
            giving.end_awaited(None, "", running)
            running.end_moot(at)
        transfer.version = work.version(transfer_stream(transfer.id)) + len(giving.signed) + len(running.found_late) + 1
        return self._kept(transfer, taken, given, running, giving, work)

    def _kept(
        self,
        transfer: pb.Transfer,
        taken: pb.TakenStep,
        given: Sequence[pb.Receipt],
        running: Clocks,
        giving: HandOver,
        work: Work,
    ) -> rpc.TakeStepResponse:
        receipt = next(iter(given), None)
        if receipt is not None:
            taken.receipt_id = receipt.id
        counts = {"steps": taken.sequence, "receipts": giving.count, "clocks": running.count}
        work.save(transfers, transfer_row(transfer, last_receipt=giving.last, **counts))
        key = step_key(transfer.id, taken.sequence)
        work.save(taken_steps, {"id": key, "body": taken.SerializeToString(deterministic=True)})
        changed = list(running.touched.values())
        stream = transfer_stream(transfer.id)
        for signed in giving.signed:
            work.record(stream, events_pb2.ReceiptSigned(transfer=transfer, receipt=signed))
        for clock in running.found_late:
            work.record(stream, events_pb2.ClockMissed(transfer=transfer, clock=clock, recipients=clock.tells))
        event = events_pb2.StepTaken(
            transfer=transfer, step=taken, clocks=changed, receipt=receipt, further_receipts=given[1:]
        )
        work.record(stream, event)
        return rpc.TakeStepResponse(
            transfer=transfer, step=taken, clocks=changed, receipt=receipt, further_receipts=given[1:]
        )


def _needs(command: Take) -> tuple[Need, ...]:
    request = command.request
    step = PROCEDURE.steps.get(request.step)
    passes_on = step is not None and RECEIVING_ORGAN in step.required_fields
    return (
        *transfer_needs(request.transfer_id),
        *document_needs(request, passes_on=passes_on),
        *paper_needs(request.documents),
    )


def allowed_step(request: rpc.TakeStepRequest, transfer: pb.Transfer, work: Work) -> Step:
    """Return the step if the table, the caller's role and the caller's organisation allow it; else raise why not."""
    step = PROCEDURE.steps.get(request.step)
    suspect = None
    state = transfer.state
    if step is not None and step.scope is Scope.SUSPECT:
        suspect = next((one for one in transfer.suspects if one.id == request.suspect_id), None)
        if suspect is None:
            raise errors.SuspectNotFound(request.suspect_id, transfer.suspects)
        # Before filing no suspect has a course of his own: no step leads from the empty state.
        state = suspect.state or FIRST_SUSPECT_STATE
        if transfer.state != FILED:
            raise errors.StepNotAllowedHere(
                f"'{step.name_en}' is possible once the case is filed.",
                message_zh=f"立案后方可进行“{step.name_zh}”。",
                remedy="Take the steps of the transfer first (ListAllowedSteps).",
            )
    refusal = PROCEDURE.refusal(request.step, state, work.actor.roles)
    if refusal is not None:
        raise errors.refused(refusal)
    step = PROCEDURE.step(request.step)
    if not side_of(step, work.actor, sides(work.actor, transfer), SIDE_BY_ROLE):
        raise errors.not_your_organisation(step)
    if suspect is not None and step.most and suspect.taken[step.id] >= step.most:
        raise errors.StepExhausted(step)
    return step


def check_contents(step: Step, request: rpc.TakeStepRequest) -> None:
    """Raise what the step still lacks: documents, then fields."""
    there = {document.kind for document in request.documents}
    missing = [kind for kind in step.documents_required if kind not in there]
    if missing:
        raise errors.DocumentsMissing(step, [documents()[kind].name_zh for kind in missing], missing)
    empty = [name for name in step.required_fields if not request.fields.get(name, "").strip()]
    if empty:
        raise errors.FieldsMissing(step, empty)
    check_people(step, request)
    if request.HasField("in_custody") and step.scope is not Scope.SUSPECT:
        words = "仅适用于嫌疑人的步骤 (a step of the whole transfer concerns no suspect)"
        raise errors.invalid([FieldViolation("in_custody", "FIELD_NOT_FOR_STEP", words)])


def happened_at(request: rpc.TakeStepRequest, transfer: pb.Transfer, now: datetime) -> datetime:
    """Return when the step happened. Raises `TimeOutOfOrder` for the future, or before the step before it."""
    if not request.HasField("happened_at"):
        return max(now, transfer.changed_at.ToDatetime(tzinfo=UTC))
    at = request.happened_at.ToDatetime(tzinfo=UTC)
    if at > now or at < transfer.changed_at.ToDatetime(tzinfo=UTC):
        raise errors.TimeOutOfOrder
    return at


def _taken(step: Step, request: rpc.TakeStepRequest, work: Work, sequence: int, at: datetime) -> pb.TakenStep:
    taken = pb.TakenStep(
        sequence=sequence,
        step=step.id,
        name_zh=step.name_zh,
        name_en=step.name_en,
        suspect_id=request.suspect_id if step.scope is Scope.SUSPECT else "",
        by=actor_of(work.actor),
        fields=request.fields,
        documents=request.documents,
        items=request.items,
    )
    taken.happened_at.FromDatetime(at)
    taken.entered_at.FromDatetime(work.now)
    return taken


def _move(step: Step, request: rpc.TakeStepRequest, transfer: pb.Transfer, taken: pb.TakenStep, at: datetime) -> None:
    """Change the state of the transfer or the suspect."""
    if step.scope is Scope.SUSPECT:
        suspect = next(one for one in transfer.suspects if one.id == request.suspect_id)
        taken.from_state = suspect.state
        suspect.state = step.to_state or suspect.state
        taken.to_state = suspect.state
        suspect.taken[step.id] += 1
        suspect.in_custody = {"begins": True, "ends": False}.get(step.custody, suspect.in_custody)
        if request.HasField("in_custody"):
            suspect.in_custody = request.in_custody
    else:
        taken.from_state = transfer.state
        _refuse_open_courses(step, transfer)
        transfer.state = step.to_state or transfer.state
        taken.to_state = transfer.state
        if transfer.state == FILED and taken.from_state != FILED:
            for suspect in transfer.suspects:
                suspect.state = suspect.state or FIRST_SUSPECT_STATE
    transfer.changed_at.FromDatetime(at)


def _pass_on(request: rpc.TakeStepRequest, transfer: pb.Transfer, running: Clocks, work: Work) -> None:
    """Make the organ named in the request the receiver; the one before it keeps what it has seen, and owes nothing more."""
    organ, former = request.fields[RECEIVING_ORGAN].strip(), pb.Organisation()
    if organ in {transfer.sender.id, transfer.supervisor.id, transfer.receiver.id}:
        words = "不能是移送机关、检察机关或者原公安机关 (must be neither the sender, the supervisor nor the receiver)"
        raise errors.invalid([FieldViolation(f"fields.{RECEIVING_ORGAN}", "SIDES_NOT_DISTINCT", words)])
    former.CopyFrom(transfer.receiver)
    before = [one for one in transfer.former_receivers if one.id not in {organ, former.id}]
    del transfer.former_receivers[:]
    transfer.former_receivers.extend([*before, former])
    transfer.receiver.CopyFrom(pb.Organisation(id=organ, name=request.fields.get("receiving_organ_name", organ)))
    key = f"{transfer.id}/{former.id}"
    work.save(former_receivers, {"id": key, "transfer_id": transfer.id, "organisation_id": former.id})
    running.pass_on(former.id)
    pass_documents_on(transfer.id, former.id, organ, work)


def _refuse_open_courses(step: Step, transfer: pb.Transfer) -> None:
    ends = step.to_state is not None and PROCEDURE.states[Scope.TRANSFER][step.to_state].is_terminal
    if not ends or transfer.state != FILED:
        return
    states = PROCEDURE.states[Scope.SUSPECT]
    going_on = [suspect.name for suspect in transfer.suspects if not states[suspect.state].is_terminal]
    if going_on:
        raise errors.SuspectsNotEnded(going_on)
