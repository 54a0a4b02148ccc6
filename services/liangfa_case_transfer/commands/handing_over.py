"""Giving and signing receipts within a command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from liangfa_case_transfer import errors
from liangfa_case_transfer.authority import own_name
from liangfa_case_transfer.keyring import Keyring
from liangfa_case_transfer.ledger import acknowledgement, sha256_of, statement
from liangfa_case_transfer.records import receipt_row, stored, transfer_needs, transfer_row, transfer_stream
from liangfa_case_transfer.tables import receipts, transfers
from liangfa_case_transfer.timing import Clocks
from liangfa_kit.store.port import Row
from liangfa_kit.work import Handler, Need, Work
from liangfa_procedure.clocks import Calendar
from liangfa_procedure.rules import Rules
from liangfa_procedure.steps import Procedure, Step
from liangfa_protos.case_transfer.v1 import events_pb2
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc


class HandOver:
    """The receipts of one transfer within one command: `count` and `last` are its place in their chain."""

    def __init__(self, transfer: pb.Transfer, row: Row, work: Work, keyring: Keyring) -> None:
        self._transfer = transfer
        self._work = work
        self._keyring = keyring
        self.count = int(row["receipts"])
        self.last = str(row["last_receipt"])
        self.signed: list[pb.Receipt] = []

    def give(self, taken: pb.TakenStep, receiver: pb.Organisation) -> pb.Receipt:
        """Return the receipt of what the step `taken` hands over, signed by the acting organisation."""
        actor = self._work.actor
        self.count += 1
        receipt = pb.Receipt(
            id=self._work.new_id(),
            number=self.count,
            transfer_id=self._transfer.id,
            step=taken.step,
            suspect_id=taken.suspect_id,
            sender=pb.Organisation(id=actor.agency_id, name=own_name(actor, self._transfer)),
            receiver=receiver,
            reply_by=taken.fields.get("reply_by", ""),
        )
        at = taken.happened_at.ToDatetime(tzinfo=UTC)
        receipt.sent_at.CopyFrom(taken.happened_at)
        receipt.statement = statement(receipt, taken, actor, self.last, case_id=self._transfer.case_id, sent_at=at)
        receipt.sender_signature.CopyFrom(self._keyring.sign(actor.agency_id, receipt.statement.encode()))
        receipt.sha256 = self.last = sha256_of(receipt.statement)
        self._work.save(receipts, receipt_row(receipt, self._transfer))
        return receipt

    def acknowledge(self, receipt: pb.Receipt, at: datetime, clocks: Clocks) -> None:
        """Sign for a receipt as its receiver; limits that run from receipt begin."""
        receipt.acknowledgement = acknowledgement(receipt, self._work.actor, at, self._work.now)
        signature = self._keyring.sign(self._work.actor.agency_id, receipt.acknowledgement.encode())
        receipt.receiver_signature.CopyFrom(signature)
        receipt.received_at.FromDatetime(at)
        self._work.save(receipts, receipt_row(receipt, self._transfer))
        self.signed.append(receipt)
        clocks.receive(receipt, at)

    def acknowledge_answered(self, step: Step, suspect_id: str, clocks: Clocks, at: datetime) -> None:
        """Sign for what `step` answers: who does what a limit from receipt asks for has received what began it."""
        for row in self._waiting():
            if row["receiver_id"] != self._work.actor.agency_id:
                continue
            receipt = pb.Receipt.FromString(row["body"])
            begins = set(Procedure.load().step(receipt.step).on_receipt)
            answered = (r for r in Rules.load().by_id.values() if r.starts_on in begins and r.ends_on in step.tells)
            if receipt.suspect_id in {"", suspect_id} and any(answered):
                self.acknowledge(receipt, at, clocks)

    def end_awaited(self, step: Step | None, suspect_id: str, clocks: Clocks) -> None:
        """End the limits that wait for a signature as `step` ends those that run; None: the transfer is closed."""
        for row in self._waiting():
            receipt = pb.Receipt.FromString(row["body"])
            is_meant = step is None or receipt.suspect_id in {"", suspect_id}
            if is_meant and clocks.end_awaited(receipt, step):
                self._work.save(receipts, receipt_row(receipt, self._transfer))

    def acknowledge_all(self, clocks: Clocks, at: datetime) -> None:
        """Sign for everything that was given to the acting organisation and not signed for yet."""
        for row in self._waiting():
            if row["receiver_id"] == self._work.actor.agency_id:
                self.acknowledge(pb.Receipt.FromString(row["body"]), at, clocks)

    def _waiting(self) -> Sequence[Row]:
        """Return the receipts that nobody has signed for yet, in the order of their numbers."""
        return sorted(self._work.rows(receipts, "open_of", self._transfer.id), key=lambda row: int(row["number"]))


@dataclass(frozen=True, slots=True)
class Sign:
    """Sign for a receipt."""

    request: rpc.SignReceiptRequest


class SigningCommands:
    """The handler, with the calendar and the keys."""

    def __init__(self, calendar: Calendar, keyring: Keyring) -> None:
        self._calendar = calendar
        self._keyring = keyring
        self.sign = Handler(
            "SignReceipt",
            self._sign,
            rpc.SignReceiptResponse,
            lambda c: (*transfer_needs(c.request.transfer_id), Need(receipts, "id", (c.request.receipt_id,))),
            lambda c: (transfer_stream(c.request.transfer_id),),
        )

    def _sign(self, command: Sign, work: Work) -> rpc.SignReceiptResponse:
        request = command.request
        row, transfer = stored(work, request.transfer_id)
        known = work.row(receipts, request.receipt_id)
        if known is None or (known["transfer_id"], known["receiver_id"]) != (transfer.id, work.actor.agency_id):
            raise errors.ReceiptNotFound
        receipt = pb.Receipt.FromString(known["body"])
        if request.sha256 != receipt.sha256:
            raise errors.ReceiptHashMismatch
        if known["is_received"]:
            return rpc.SignReceiptResponse(receipt=receipt)
        running = Clocks(transfer, work, self._calendar, row["clocks"])
        giving = HandOver(transfer, row, work, self._keyring)
        giving.acknowledge(receipt, work.now, running)
        transfer.version += 1
        work.save(
            transfers,
            transfer_row(
                transfer, steps=row["steps"], receipts=giving.count, last_receipt=giving.last, clocks=running.count
            ),
        )
        started = list(running.touched.values())
        event = events_pb2.ReceiptSigned(transfer=transfer, receipt=receipt, clocks=started)
        work.record(transfer_stream(transfer.id), event)
        return rpc.SignReceiptResponse(receipt=receipt, clocks=started)
