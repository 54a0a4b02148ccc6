"""A suspect's course made a transfer of its own (分案), and two transfers made one (并案): what runs goes on.

Nothing begins anew: the same limits run on in the other transfer, with the ends that they had. Receipts stay where they were
given, signed and chained; both histories say where things went on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC

from liangfa_case_transfer import errors
from liangfa_case_transfer.authority import may_divide
from liangfa_case_transfer.commands.stepping import FILED, PROCEDURE
from liangfa_case_transfer.ledger import NO_RECEIPT
from liangfa_case_transfer.records import (
    actor_of,
    step_key,
    stored,
    transfer_needs,
    transfer_row,
    transfer_stream,
)
from liangfa_case_transfer.tables import clocks, former_receivers, receipts, taken_steps, transfers
from liangfa_case_transfer.timing import clock_row, starts_on_receipt
from liangfa_case_transfer.validation import check_division
from liangfa_kit.errors import FieldViolation
from liangfa_kit.store.port import Row
from liangfa_kit.work import Handler, Work
from liangfa_procedure.rules import Rules
from liangfa_procedure.steps import SEPARATE_CASE, Scope
from liangfa_protos.case_transfer.v1 import events_pb2
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc

CLOSED = "closed"
SPLIT = ("split_case", "分案", "Split the case")
JOIN = ("join_case", "并案", "Join the cases")
"""Id and names under which both stand in the history: they are no steps of the table, for they concern two transfers."""


@dataclass(frozen=True, slots=True)
class Split:
    """Split suspects off into a transfer with the id `part_id`."""

    part_id: str
    request: rpc.SplitTransferRequest


@dataclass(frozen=True, slots=True)
class Join:
    """Join a transfer into another one."""

    request: rpc.JoinTransferRequest


def _split(command: Split, work: Work) -> rpc.SplitTransferResponse:
    request = command.request
    row, transfer = stored(work, request.transfer_id)
    check_division(request.reason, request.title)
    _check_filed(transfer, work)
    work.expect(transfer_stream(transfer.id), request.expected_version)
    leaving = _leaving(request.suspect_ids, transfer)
    _refuse_waiting(transfer, work, {suspect.id for suspect in leaving})
    part = _part(command, transfer, work)
    ids: dict[str, str] = {}
    for number, suspect in enumerate(leaving, 1):
        ids[suspect.id] = str(number)
        part.suspects.add().CopyFrom(suspect)
        part.suspects[-1].id = str(number)
        _leave(suspect, part.id)
    moving = [one for one in _running(transfer, work) if one.suspect_id in ids or _follows(one, transfer, part)]
    moved = [_move(clock, part, ids | {"": ""}, number, work) for number, clock in enumerate(moving, 1)]
    fields = {"reason": request.reason, "suspects": "、".join(one.name for one in part.suspects), "part": part.id}
    told = _taken(SPLIT, row["steps"] + 1, transfer, fields, work)
    begun = _taken(SPLIT, 1, part, fields | {"split_from": transfer.id}, work)
    _keep(transfer, told, row, row["clocks"], work)
    _keep(part, begun, {"receipts": 0, "last_receipt": NO_RECEIPT}, len(moved), work)
    for organ in part.former_receivers:
        key = f"{part.id}/{organ.id}"
        work.save(former_receivers, {"id": key, "transfer_id": part.id, "organisation_id": organ.id})
    work.record(transfer_stream(transfer.id), events_pb2.StepTaken(transfer=transfer, step=told))
    work.record(transfer_stream(part.id), events_pb2.TransferOpened(transfer=part, clocks=moved))
    return rpc.SplitTransferResponse(transfer=transfer, part=part, clocks=moved)


def _join(command: Join, work: Work) -> rpc.JoinTransferResponse:
    request = command.request
    row, transfer = stored(work, request.transfer_id)
    check_division(request.reason)
    into_row, into = _other(request, transfer, work)
    for one, version in ((transfer, request.expected_version), (into, request.into_expected_version)):
        _check_filed(one, work)
        work.expect(transfer_stream(one.id), version)
    _refuse_waiting(transfer, work, None)
    both = _in_both(transfer, into)
    ids = {"": ""} | {
        suspect.id: _received(suspect, into, both) for suspect in transfer.suspects if not suspect.moved_to
    }
    moving = [clock for clock in _running(transfer, work) if clock.suspect_id in ids]
    moved = [_move(clock, into, ids, into_row["clocks"] + n, work) for n, clock in enumerate(moving, 1)]
    for suspect in transfer.suspects:
        if suspect.id in ids:
            _leave(suspect, into.id)
    transfer.joined_into = into.id
    into.joined.append(transfer.id)
    into.offences.extend(one for one in transfer.offences if one not in into.offences)
    fields = {"reason": request.reason, "joined": transfer.id, "joined_into": into.id}
    told = _taken(JOIN, row["steps"] + 1, transfer, fields, work)
    told.to_state = transfer.state = CLOSED
    received = _taken(JOIN, into_row["steps"] + 1, into, fields, work)
    _keep(transfer, told, row, row["clocks"], work)
    _keep(into, received, into_row, into_row["clocks"] + len(moved), work)
    work.record(transfer_stream(transfer.id), events_pb2.StepTaken(transfer=transfer, step=told))
    work.record(transfer_stream(into.id), events_pb2.StepTaken(transfer=into, step=received, clocks=moved))
    return rpc.JoinTransferResponse(transfer=into, joined=transfer, clocks=moved)


def _follows(clock: pb.Clock, transfer: pb.Transfer, part: pb.Transfer) -> bool:
    """Tell whether a limit of the whole case goes with the part: what keeps it running is now there alone."""
    rule = Rules.load().rule(clock.rule_id)
    stays, leaves = ({suspect.state for suspect in one.suspects} for one in (transfer, part))
    return rule.goes_on(clock.suspect_id, leaves) and not rule.goes_on(clock.suspect_id, stays)


SPLIT_TRANSFER = Handler(
    "SplitTransfer",
    _split,
    rpc.SplitTransferResponse,
    lambda c: transfer_needs(c.request.transfer_id),
    lambda c: (transfer_stream(c.request.transfer_id),),
)
JOIN_TRANSFER = Handler(
    "JoinTransfer",
    _join,
    rpc.JoinTransferResponse,
    lambda c: (*transfer_needs(c.request.transfer_id), *transfer_needs(c.request.into_id)),
    lambda c: (transfer_stream(c.request.transfer_id), transfer_stream(c.request.into_id)),
)


def _check_filed(transfer: pb.Transfer, work: Work) -> None:
    if not may_divide(work.actor, transfer):
        raise errors.may_not_divide()
    if transfer.state != FILED:
        raise errors.StepNotAllowedHere(
            "Only filed cases are split and joined: before, all suspects go the same way.",
            message_zh="立案后方可分案、并案。",
            remedy="Take the steps of the transfer first (ListAllowedSteps).",
        )


def _leaving(suspect_ids: Iterable[str], transfer: pb.Transfer) -> list[pb.Suspect]:
    wanted = set(suspect_ids)
    going_on = [suspect for suspect in transfer.suspects if _goes_on(suspect)]
    leaving = [suspect for suspect in going_on if suspect.id in wanted]
    if unknown := wanted - {suspect.id for suspect in leaving}:
        raise errors.SuspectNotFound(min(unknown), going_on)
    if not leaving or len(leaving) == len(going_on):
        words = "至少分出一人、留下一人 (at least one leaves and one stays)"
        raise errors.invalid([FieldViolation("suspect_ids", "SUSPECTS_MUST_STAY", words)])
    return leaving


def _goes_on(suspect: pb.Suspect) -> bool:
    return not PROCEDURE.states[Scope.SUSPECT][suspect.state].is_terminal


def _refuse_waiting(transfer: pb.Transfer, work: Work, suspect_ids: set[str] | None) -> None:
    """Refuse while a signature would still start a limit here; None: whomever it concerns."""
    for row in work.rows(receipts, "open_of", transfer.id):
        receipt = pb.Receipt.FromString(row["body"])
        is_meant = suspect_ids is None or receipt.suspect_id in suspect_ids
        if is_meant and starts_on_receipt(receipt, transfer.sector):
            words = f"第 {receipt.number} 号回执尚未签收 (receipt {receipt.number} must be signed for first)"
            raise errors.invalid([FieldViolation("transfer_id", "RECEIPT_OPEN", words)])


def _other(request: rpc.JoinTransferRequest, transfer: pb.Transfer, work: Work) -> tuple[Row, pb.Transfer]:
    if not request.into_id or request.into_id == transfer.id:
        words = "须为另一件移送 (must be another transfer)"
        raise errors.invalid([FieldViolation("into_id", "FIELD_REQUIRED", words)])
    row, into = stored(work, request.into_id)
    different = [
        side for side in ("sender", "receiver", "supervisor") if getattr(into, side).id != getattr(transfer, side).id
    ]
    if different or into.sector != transfer.sector:
        words = "移送机关、公安机关、检察机关和领域须相同 (the organisations and the sector must be the same)"
        raise errors.invalid([FieldViolation("into_id", "SIDES_DIFFER", words)])
    return row, into


def _in_both(transfer: pb.Transfer, into: pb.Transfer) -> dict[str, pb.Suspect]:
    """Return the suspects of `into` who are in `transfer` too, by name.

    Where several people of one case have the same name nobody can tell who is meant: they all stay, nobody is lost.
    """
    names = [Counter(one.name for one in case.suspects if _goes_on(one)) for case in (transfer, into)]
    return {one.name: one for one in into.suspects if _goes_on(one) and {n[one.name] for n in names} == {1}}


def _received(suspect: pb.Suspect, into: pb.Transfer, both: Mapping[str, pb.Suspect]) -> str:
    """Let the suspect go on in `into`, and return his number there: one person has one course, if both stand alike."""
    same = both.get(suspect.name) if _goes_on(suspect) else None
    if same is None:
        same = into.suspects.add()
        same.CopyFrom(suspect)
        same.id = str(len(into.suspects))
        return same.id
    if same.state != suspect.state:
        words = f"{suspect.name}在两案中所处阶段不同 (the courses of one suspect stand differently)"
        raise errors.invalid([FieldViolation("into_id", "COURSES_DIFFER", words)])
    same.in_custody = same.in_custody or suspect.in_custody
    for step, count in suspect.taken.items():
        same.taken[step] = max(same.taken[step], count)
    return same.id


def _leave(suspect: pb.Suspect, transfer_id: str) -> None:
    suspect.state, suspect.moved_to, suspect.in_custody = SEPARATE_CASE, transfer_id, False


def _running(transfer: pb.Transfer, work: Work) -> Sequence[pb.Clock]:
    found = (pb.Clock.FromString(row["body"]) for row in work.rows(clocks, "open_of", transfer.id))
    going_on = (clock for clock in found if clock.state != pb.CLOCK_STATE_STOPPED)  # what was kept stays where it was
    return sorted(going_on, key=lambda clock: clock.number)


def _move(clock: pb.Clock, to: pb.Transfer, suspects: dict[str, str], number: int, work: Work) -> pb.Clock:
    """Let a limit run on in another transfer: it keeps its id, so that whoever was told of it knows it again."""
    clock.transfer_id, clock.suspect_id, clock.number = to.id, suspects[clock.suspect_id], number
    work.save(clocks, clock_row(clock, to))
    return clock


def _part(command: Split, transfer: pb.Transfer, work: Work) -> pb.Transfer:
    part = pb.Transfer()
    part.CopyFrom(transfer)
    for field in ("suspects", "joined", "joined_into"):
        part.ClearField(field)
    part.id, part.version, part.split_from = command.part_id, 1, transfer.id
    part.title = command.request.title.strip() or transfer.title
    part.opened_at.FromDatetime(work.now)
    return part


def _taken(
    names: tuple[str, str, str], sequence: int, transfer: pb.Transfer, fields: dict[str, str], work: Work
) -> pb.TakenStep:
    """Return the entry of the history, and let the transfer change at its moment."""
    at = max(work.now, transfer.changed_at.ToDatetime(tzinfo=UTC))
    step, zh, en = names
    taken = pb.TakenStep(
        sequence=sequence, step=step, name_zh=zh, name_en=en, by=actor_of(work.actor), fields=fields,
        from_state=transfer.state, to_state=transfer.state,
    )  # fmt: skip
    taken.happened_at.FromDatetime(at)
    taken.entered_at.FromDatetime(work.now)
    transfer.changed_at.FromDatetime(at)
    return taken


def _keep(transfer: pb.Transfer, taken: pb.TakenStep, row: Row, started: int, work: Work) -> None:
    transfer.version = work.version(transfer_stream(transfer.id)) + 1
    given = {"receipts": row["receipts"], "last_receipt": row["last_receipt"]}
    work.save(transfers, transfer_row(transfer, steps=taken.sequence, clocks=started, **given))
    key = step_key(transfer.id, taken.sequence)
    work.save(taken_steps, {"id": key, "body": taken.SerializeToString(deterministic=True)})
