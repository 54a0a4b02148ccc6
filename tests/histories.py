"""Cases and transfers with a long history: rows that the services wrote, repeated, so that thousands take a second."""

from __future__ import annotations

import uuid
from typing import Any

from liangfa_case_transfer.records import step_key
from liangfa_case_transfer.tables import clocks, receipts, taken_steps, transfers
from liangfa_enforcement_record.tables import KIT
from liangfa_kit.store.port import Row
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as rpc
from tests import enforcement_service, transferring
from tests.enforcement import case

TO_FILED = ("report_to_head", "approve_transfer", "deliver_transfer", "accept_transfer", "file_case")


async def old_case(service: enforcement_service.Service, length: int) -> str:
    """Return the id of a case both of whose streams, what was done and who looked, have `length` entries."""
    request = rpc.RegisterCaseRequest(request_id=str(uuid.uuid4()), case=case())
    case_id: str = (await service.cases().RegisterCase(request)).case.id
    await service.cases().GetCase(rpc.GetCaseRequest(case_id=case_id))
    with service.record.store.transaction() as tx:
        streams = [f"case/{case_id}", f"view/{case_id}"]
        entries = {entry["stream"]: entry for entry in tx.load(KIT.journal, "stream", streams)}
        position = tx.lock_counter("journal")
        for version in range(2, length + 1):
            copies = [_entry(entries[stream], version, position + n) for n, stream in enumerate(streams, start=1)]
            tx.insert(KIT.journal, copies)
            position += len(copies)
        tx.set_counter("journal", position)
        heads = tx.load(KIT.streams, "stream", streams)
        tx.upsert(KIT.streams, [{**head, "version": length} for head in heads])
    return case_id


async def old_transfer(service: transferring.Service, length: int) -> pb.Transfer:
    """Return a filed transfer that has had `length` steps, limits and receipts each."""
    transfer = await service.open()
    await service.walk(transfer, ("assign_task_force", *TO_FILED))
    await service.sign(transfer, transferring.OFFICER)
    store = service.parts.store
    with store.transaction() as tx:
        (row,) = tx.load(transfers, "id", [transfer.id])
        (step,) = tx.load(taken_steps, "id", [step_key(transfer.id, 2)])
        ended = next(r for r in tx.load(clocks, "transfer_id", [transfer.id]) if not r["is_running"])
        signed = next(r for r in tx.load(receipts, "transfer_id", [transfer.id]) if r["is_received"])
        tx.insert(taken_steps, [_step(step, transfer.id, n) for n in range(row["steps"] + 1, length + 1)])
        tx.insert(clocks, [_clock(ended, n) for n in range(row["clocks"] + 1, length + 1)])
        tx.insert(receipts, [_receipt(signed, n) for n in range(row["receipts"] + 1, length + 1)])
        tx.upsert(transfers, [{**row, "steps": length, "clocks": length, "receipts": length}])
    return transfer


def _entry(entry: Row, version: int, position: int) -> dict[str, Any]:
    return {**entry, "id": f"{entry['id']}-{version}", "version": version, "position": position}


def _step(row: Row, transfer_id: str, number: int) -> dict[str, Any]:
    step = pb.TakenStep.FromString(row["body"])
    step.sequence = number
    return {"id": step_key(transfer_id, number), "body": step.SerializeToString()}


def _clock(row: Row, number: int) -> dict[str, Any]:
    clock = pb.Clock.FromString(row["body"])
    clock.number, clock.id = number, f"{clock.transfer_id}/{clock.rule_id}/{number}"
    return {**row, "id": clock.id, "number": number, "body": clock.SerializeToString()}


def _receipt(row: Row, number: int) -> dict[str, Any]:
    receipt = pb.Receipt.FromString(row["body"])
    receipt.number, receipt.id = number, f"{receipt.id}-{number}"
    return {**row, "id": receipt.id, "number": number, "body": receipt.SerializeToString()}
