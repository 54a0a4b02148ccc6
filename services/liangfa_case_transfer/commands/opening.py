"""Opening a transfer: a crime is suspected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC

from liangfa_case_transfer import errors
from liangfa_case_transfer.ledger import NO_RECEIPT
from liangfa_case_transfer.records import actor_of, step_key, transfer_row, transfer_stream
from liangfa_case_transfer.tables import clocks, taken_steps, transfers
from liangfa_case_transfer.timing import Clocks
from liangfa_case_transfer.validation import check_opening
from liangfa_kit.errors import FieldViolation
from liangfa_kit.work import Handler, Need, Work
from liangfa_procedure.clocks import Calendar
from liangfa_procedure.steps import OPENING_STEP, Procedure
from liangfa_protos.case_transfer.v1 import events_pb2
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc


@dataclass(frozen=True, slots=True)
class Open:
    """Open `request` under the id `transfer_id`."""

    transfer_id: str
    request: rpc.OpenTransferRequest


class OpeningCommands:
    """The handler, with the calendar by which days are counted."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self.open = Handler("OpenTransfer", self._open, rpc.OpenTransferResponse, _needs)

    def _open(self, command: Open, work: Work) -> rpc.OpenTransferResponse:
        request = command.request
        check_opening(request)
        if work.actor.agency_id in {request.receiver.id, request.supervisor.id}:
            raise errors.invalid(
                [FieldViolation("receiver.id", "SIDES_NOT_DISTINCT", "不能是移送机关自己 (must not be the sender)")]
            )
        # A case belongs to its agency: what another one has opened under the same number neither shows nor matters.
        own = (
            row for row in work.rows(transfers, "case_id", request.case_id) if row["sender_id"] == work.actor.agency_id
        )
        if (known := next(own, None)) is not None:
            raise errors.TransferExists(request.case_id, known["id"])
        step = Procedure.load().step(OPENING_STEP)
        transfer = _opened(command, work, step.to_state or "")
        running = Clocks(transfer, work, self._calendar, 0)
        running.start(step.tells, "", transfer.opened_at.ToDatetime(tzinfo=UTC))
        taken = pb.TakenStep(
            sequence=1, step=step.id, name_zh=step.name_zh, name_en=step.name_en, to_state=transfer.state,
            by=actor_of(work.actor), happened_at=transfer.opened_at, entered_at=transfer.opened_at,
        )  # fmt: skip
        work.save(transfers, transfer_row(transfer, steps=1, receipts=0, last_receipt=NO_RECEIPT, clocks=running.count))
        work.save(taken_steps, {"id": step_key(transfer.id, 1), "body": taken.SerializeToString(deterministic=True)})
        started = list(running.touched.values())
        event = events_pb2.TransferOpened(transfer=transfer, clocks=started)
        work.record(transfer_stream(transfer.id), event)
        return rpc.OpenTransferResponse(transfer=transfer, clocks=started)


def _needs(command: Open) -> tuple[Need, ...]:
    return (
        Need(transfers, "case_id", (command.request.case_id,)),
        Need(clocks, "open_of", (command.transfer_id,)),
    )


def _opened(command: Open, work: Work, state: str) -> pb.Transfer:
    request, actor = command.request, work.actor
    transfer = pb.Transfer(
        id=command.transfer_id,
        case_id=request.case_id,
        title=request.title,
        region=actor.region,
        sector=request.sector,
        state=state,
        version=1,
        sender=pb.Organisation(id=actor.agency_id, name=actor.agency_name),
        receiver=request.receiver,
        supervisor=request.supervisor,
        suspects=[pb.Suspect(id=str(n), name=name) for n, name in enumerate(request.suspect_names, 1)],
        offences=request.offences,
        screening_id=request.screening_id,
        facts=request.facts,
    )
    transfer.opened_at.FromDatetime(work.now)
    transfer.changed_at.FromDatetime(work.now)
    return transfer
