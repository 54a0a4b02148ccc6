"""That a case file was taken out, journalled before the first byte of it is sent."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.empty_pb2 import Empty

from liangfa_case_transfer.records import stored
from liangfa_case_transfer.tables import transfers
from liangfa_kit.work import Handler, Need, Work
from liangfa_protos.case_transfer.v1 import events_pb2


@dataclass(frozen=True, slots=True)
class ExportCase:
    """Take out the case file of a transfer."""

    transfer_id: str


def export_stream(transfer_id: str) -> str:
    """Return the journal stream of what was taken out: it must not outdate what people have read of the transfer."""
    return f"export/{transfer_id}"


def _export(command: ExportCase, work: Work) -> Empty:
    stored(work, command.transfer_id)
    work.record(export_stream(command.transfer_id), events_pb2.CaseFileExported(transfer_id=command.transfer_id))
    return Empty()


EXPORT_CASE = Handler(
    "ExportCaseFile",
    _export,
    Empty,
    lambda c: (Need(transfers, "id", (c.transfer_id,)),),
    lambda c: (export_stream(c.transfer_id),),
)
