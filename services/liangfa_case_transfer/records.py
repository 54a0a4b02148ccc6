"""Transfers as rows, streams and events. Pure."""

from __future__ import annotations

from typing import Any

from liangfa_case_transfer import errors
from liangfa_case_transfer.authority import may_see
from liangfa_case_transfer.tables import clocks, receipts, transfers
from liangfa_kit.identity import Actor
from liangfa_kit.store.port import Row
from liangfa_kit.work import Need, Work
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.standards.v1 import values_pb2


def transfer_stream(transfer_id: str) -> str:
    """Return the journal stream of a transfer."""
    return f"transfer/{transfer_id}"


def clock_stream(clock_id: str) -> str:
    """Return the journal stream of what time alone does to a clock: it must not outdate what people have read."""
    return f"clock/{clock_id}"


def transfer_needs(transfer_id: str) -> tuple[Need, ...]:
    """Return the transfer with what a change can touch: limits that run, receipts that wait, however long it has been."""
    return (
        Need(transfers, "id", (transfer_id,)),
        Need(clocks, "open_of", (transfer_id,)),
        Need(receipts, "open_of", (transfer_id,)),
    )


def stored(work: Work, transfer_id: str) -> tuple[Row, pb.Transfer]:
    """Return the row and the transfer that the actor may see. Raises `TransferNotFound`."""
    row = work.row(transfers, transfer_id)
    transfer = pb.Transfer.FromString(row["body"]) if row is not None else pb.Transfer()
    if row is None or not may_see(work.actor, transfer):
        raise errors.TransferNotFound(transfer_id)
    return row, transfer


def transfer_row(transfer: pb.Transfer, *, steps: int, receipts: int, last_receipt: str, clocks: int) -> dict[str, Any]:
    """Return the row of a transfer, with how many steps were taken, receipts given and limits started."""
    return {
        "id": transfer.id,
        "case_id": transfer.case_id,
        "region": transfer.region,
        "state": transfer.state,
        "sender_id": transfer.sender.id,
        "receiver_id": transfer.receiver.id,
        "supervisor_id": transfer.supervisor.id,
        "changed_at": transfer.changed_at.ToMicroseconds(),
        "steps": steps,
        "receipts": receipts,
        "last_receipt": last_receipt,
        "clocks": clocks,
        "part": transfer.id if transfer.split_from else "",
        "body": transfer.SerializeToString(deterministic=True),
    }


def receipt_row(receipt: pb.Receipt, transfer: pb.Transfer) -> dict[str, Any]:
    """Return the row of a receipt."""
    return {
        "id": receipt.id,
        "transfer_id": receipt.transfer_id,
        "number": receipt.number,
        "sender_id": receipt.sender.id,
        "receiver_id": receipt.receiver.id,
        "supervisor_id": transfer.supervisor.id,
        "is_received": receipt.HasField("received_at"),
        "open_of": None if receipt.HasField("received_at") else receipt.transfer_id,
        "sent_at": receipt.sent_at.ToMicroseconds(),
        "received_at": receipt.received_at.ToMicroseconds() if receipt.HasField("received_at") else None,
        "body": receipt.SerializeToString(deterministic=True),
    }


def step_key(transfer_id: str, sequence: int) -> str:
    """Return the primary key of a taken step: keys of one transfer sort by sequence."""
    return f"{transfer_id}/{sequence:010d}"


def actor_of(actor: Actor) -> values_pb2.Actor:
    """Return who acts, as journalled."""
    return values_pb2.Actor(
        person_id=actor.person_id, person_name=actor.person_name, agency_id=actor.agency_id, region=actor.region
    )
