"""What the commands ask of case_transfer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc

if TYPE_CHECKING:
    from liangfa_protos.case_transfer.v1.transfer_service_pb2_grpc import TransferServiceAsyncStub


async def receipts_and_keys(
    stub: TransferServiceAsyncStub, transfer_id: str
) -> tuple[Sequence[pb.Receipt], Sequence[pb.PublicKey]]:
    """Return a transfer's receipts, and the public keys of its organisations. Raises `NotFound`."""
    found = await stub.GetTransfer(rpc.GetTransferRequest(transfer_id=transfer_id, limit=1))
    keys = await stub.ListPublicKeys(rpc.ListPublicKeysRequest(transfer_id=transfer_id))
    return found.receipts, keys.keys


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
