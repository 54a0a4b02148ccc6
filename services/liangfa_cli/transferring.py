"""What the commands ask of case_transfer."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from liangfa_case_transfer.ledger import sha256_of
from liangfa_kit.errors import Invalid, NotFound
from liangfa_kit.rpc.client import Channel
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc
from liangfa_protos.case_transfer.v1.transfer_service_pb2_grpc import TransferServiceStub
from liangfa_protos.enforcement_record.v1 import case_service_pb2 as case_rpc
from liangfa_protos.enforcement_record.v1 import screening_service_pb2 as screening_rpc
from liangfa_protos.enforcement_record.v1.case_service_pb2_grpc import CaseServiceStub
from liangfa_protos.enforcement_record.v1.screening_service_pb2_grpc import ScreeningServiceStub

if TYPE_CHECKING:
    from liangfa_protos.case_transfer.v1.transfer_service_pb2_grpc import TransferServiceAsyncStub


_PAGE = 200


@dataclass(frozen=True, slots=True)
class Worklist:
    """What an organisation owes and what it waits for: limits and receipts; `titles` of the transfers by id."""

    owed: rpc.ListClocksResponse
    awaited: rpc.ListClocksResponse
    to_sign: Sequence[pb.Receipt]
    unsigned: Sequence[pb.Receipt]
    titles: Mapping[str, str]


async def worklist(stub: TransferServiceAsyncStub, agency_id: str, most: int) -> Worklist:
    """Return the worklist of the caller's organisation, at most `most` of each, the most urgent first."""
    owed = await stub.ListClocks(rpc.ListClocksRequest(limit=most))
    awaited = await stub.ListClocks(rpc.ListClocksRequest(waiting_for=True, limit=most))
    found = (await stub.ListReceipts(rpc.ListReceiptsRequest(only_open=True, limit=1_000))).receipts
    to_sign = [one for one in found if one.receiver.id == agency_id][:most]
    unsigned = [one for one in found if one.receiver.id != agency_id][:most]
    titles: dict[str, str] = {}
    named = [clock.transfer_id for clock in (*owed.clocks, *awaited.clocks)]
    for key in dict.fromkeys([*named, *(receipt.transfer_id for receipt in (*to_sign, *unsigned))]):
        titles[key] = ""
        with suppress(NotFound):  # a limit may outlive an organisation's part in the transfer
            titles[key] = (await stub.GetTransfer(rpc.GetTransferRequest(transfer_id=key, limit=1))).transfer.title
    return Worklist(owed, awaited, to_sign, unsigned, titles)


async def whole_transfer(stub: TransferServiceAsyncStub, transfer_id: str) -> rpc.GetTransferResponse:
    """Return a transfer with its whole history. Raises `NotFound`."""
    found = await stub.GetTransfer(rpc.GetTransferRequest(transfer_id=transfer_id, limit=_PAGE))
    steps = list(found.steps)
    while steps and steps[0].sequence > 1:
        asked = rpc.GetTransferRequest(transfer_id=transfer_id, before_sequence=steps[0].sequence, limit=_PAGE)
        steps = [*(await stub.GetTransfer(asked)).steps, *steps]
    del found.steps[:]
    found.steps.extend(steps)
    if found.more_receipts:
        del found.receipts[:]
        found.receipts.extend(await receipts_of(stub, transfer_id))
    return found


async def receipts_of(stub: TransferServiceAsyncStub, transfer_id: str) -> Sequence[pb.Receipt]:
    """Return every receipt of a transfer, in the order of their numbers. Raises `NotFound`."""
    request = rpc.ListReceiptsRequest(transfer_id=transfer_id, limit=_PAGE)
    page = await stub.ListReceipts(request)
    found = list(page.receipts)
    while page.next_page_token:
        request.page_token = page.next_page_token
        page = await stub.ListReceipts(request)
        found = [*page.receipts, *found]
    return found


async def opened(channel: Channel, wanted: rpc.OpenTransferRequest) -> rpc.OpenTransferResponse:
    """Open a transfer of a case of enforcement_record; what `wanted` leaves out is taken from the case and its screening.

    Raises `Invalid` (OFFENCE_MISSING) when no screening names an offence and `wanted` does not either.
    """
    reading = case_rpc.GetCaseRequest(case_id=wanted.case_id, purpose="启动移送程序 (open a transfer)")
    case = (await CaseServiceStub(channel).GetCase(reading)).case
    asked = screening_rpc.ListScreeningsRequest(case_id=wanted.case_id, purpose=reading.purpose, page_size=1)
    newest = (await ScreeningServiceStub(channel).ListScreenings(asked)).screenings
    wanted.title = wanted.title or case.title or case.cause
    wanted.facts = wanted.facts or case.narrative
    wanted.suspect_names[:] = wanted.suspect_names or [party.name for party in case.parties]
    for screening in newest:
        wanted.screening_id = wanted.screening_id or screening.id
        wanted.offences[:] = wanted.offences or [offence.name_zh for offence in screening.offences]
    if not wanted.offences:
        raise Invalid(
            "The screening names no offence for this case.",
            message_zh="筛查未指出涉嫌罪名。",
            remedy="Name it with --offence: whether a crime is suspected is for the officer to say.",
            reason="OFFENCE_MISSING",
        )
    return await TransferServiceStub(channel).OpenTransfer(wanted)


async def taken(stub: TransferServiceAsyncStub, request: rpc.TakeStepRequest, version: int = 0) -> rpc.TakeStepResponse:
    """Take a step of a transfer as it is now, or as it was at `version`: then the refusal is STALE if it went on."""
    allowed = await stub.ListAllowedSteps(rpc.ListAllowedStepsRequest(transfer_id=request.transfer_id))
    request.expected_version = version or allowed.version
    return await stub.TakeStep(request)


async def extended(
    stub: TransferServiceAsyncStub, wanted: rpc.ExtendClockRequest, rule: str, suspect_id: str
) -> rpc.ExtendClockResponse:
    """Give the running limit of `rule` more time, of this suspect where it is one of his. Raises `NotFound`, `Invalid`."""
    clocks = (await stub.GetTransfer(rpc.GetTransferRequest(transfer_id=wanted.transfer_id, limit=1))).clocks
    open_states = {pb.CLOCK_STATE_RUNNING, pb.CLOCK_STATE_SUSPENDED}
    running = [one for one in clocks if one.state in open_states]
    meant = [one for one in running if one.rule_id == rule and suspect_id in {"", one.suspect_id}]
    if len(meant) != 1:
        raise NotFound(
            f"{len(meant)} limits of {rule} run in this transfer: one must be meant.",
            message_zh=f"该移送中正在计算的期限 {rule} 有 {len(meant)} 项。",
            remedy="Running: " + (", ".join(f"{c.rule_id} {c.suspect_id}".strip() for c in running) or "none")
            + ". Name the rule, and the suspect with --suspect.",
            reason="CLOCK_NOT_FOUND",
        )  # fmt: skip
    wanted.clock_id = meant[0].id
    return await stub.ExtendClock(wanted)


async def signed(stub: TransferServiceAsyncStub, transfer_id: str, number: int, agency_id: str) -> list[pb.Receipt]:
    """Sign for the receipt of this number, or, with 0, for every one that waits for the caller's organisation."""
    found = await receipts_of(stub, transfer_id)
    waiting = [one for one in found if one.receiver.id == agency_id and not one.HasField("received_at")]
    chosen = [one for one in (found if number else waiting) if number in {0, one.number}]
    if not chosen:
        raise NotFound(
            "There is no such receipt for your organisation to sign.",
            message_zh="没有待贵单位签收的此份回执。",
            remedy="`liangfa transfers show` lists the receipts of the transfer.",
            reason="RECEIPT_NOT_FOUND",
        )
    done = []
    for one in chosen:
        request = rpc.SignReceiptRequest(
            request_id=str(uuid.uuid4()), transfer_id=transfer_id, receipt_id=one.id, sha256=sha256_of(one.statement)
        )
        done.append((await stub.SignReceipt(request)).receipt)
    return done


async def receipts_and_keys(
    stub: TransferServiceAsyncStub, transfer_id: str
) -> tuple[Sequence[pb.Receipt], Sequence[pb.PublicKey]]:
    """Return a transfer's receipts, and the public keys of its organisations. Raises `NotFound`."""
    found = await receipts_of(stub, transfer_id)
    keys = await stub.ListPublicKeys(rpc.ListPublicKeysRequest(transfer_id=transfer_id))
    return found, keys.keys


async def receipt_gaps(
    stub: TransferServiceAsyncStub, day: str, held: Sequence[pb.Receipt]
) -> rpc.ListReceiptGapsResponse:
    """Return every gap of a day, all pages together; `held` are the receipts in the caller's own books."""
    mine = [rpc.HeldReceipt(receipt_id=receipt.id, sha256=receipt.sha256) for receipt in held]
    found = rpc.ListReceiptGapsResponse()
    while not found.day or found.next_page_token:
        request = rpc.ListReceiptGapsRequest(day=day, held=mine, page_token=found.next_page_token)
        page = await stub.ListReceiptGaps(request)
        found.day, found.next_page_token = page.day, page.next_page_token
        found.gaps.extend(page.gaps)
        found.transfers += page.transfers
        found.receipts += page.receipts
    return found
