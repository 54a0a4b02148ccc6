"""What the servicers of case_transfer ask of every request."""

from __future__ import annotations

from liangfa_case_transfer import errors
from liangfa_case_transfer.queries import transferring
from liangfa_kit.context import current
from liangfa_kit.store.port import Store
from liangfa_kit.work import Call
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb

_LONGEST_REQUEST_ID = 100


def command_call(request_id: str) -> Call:
    """Return the call of a change. Raises `Invalid` without a usable request id."""
    if not request_id or len(request_id) > _LONGEST_REQUEST_ID:
        raise errors.request_id_required()
    return current().command(request_id)


async def seen_transfer(store: Store, transfer_id: str) -> pb.Transfer:
    """Return a transfer that the caller may see. Raises `TransferNotFound`."""
    return await transferring.seen(store, current().caller, transfer_id)
