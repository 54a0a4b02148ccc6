"""Attaching signed or sealed copies to documents."""

from __future__ import annotations

from dataclasses import dataclass

from liangfa_case_transfer import errors
from liangfa_case_transfer.commands.issuing import document_key, document_stream, save_document
from liangfa_case_transfer.document_errors import DocumentNotFound
from liangfa_case_transfer.records import actor_of, stored
from liangfa_case_transfer.tables import issued_documents, transfers
from liangfa_kit.errors import FieldViolation
from liangfa_kit.work import Handler, Need, Work
from liangfa_protos.case_transfer.v1 import document_pb2 as pb
from liangfa_protos.case_transfer.v1 import document_service_pb2 as rpc
from liangfa_protos.case_transfer.v1 import events_pb2

MAX_SCANS = 20


@dataclass(frozen=True, slots=True)
class AttachScan:
    """Attach `scan`, whose bytes are whole, checked and kept, to a version of a document."""

    transfer_id: str
    document_id: str
    version: int
    scan: pb.SignedScan


def _attach(command: AttachScan, work: Work) -> rpc.AttachSignedScanResponse:
    stored(work, command.transfer_id)
    row = work.row(issued_documents, document_key(command.document_id, command.version))
    document = pb.IssuedDocument.FromString(row["body"]) if row is not None else pb.IssuedDocument()
    is_own = document.issuer.id == work.actor.agency_id and document.transfer_id == command.transfer_id
    if row is None or not is_own:
        raise DocumentNotFound(command.document_id)
    if any(one.sha256 == command.scan.sha256 for one in document.scans):
        return rpc.AttachSignedScanResponse(document=document)
    if len(document.scans) >= MAX_SCANS:
        words = f"每份文书最多 {MAX_SCANS} 份 (at most {MAX_SCANS} for one version)"
        raise errors.invalid([FieldViolation("document_id", "TOO_MANY", words)])
    scan = document.scans.add()
    scan.CopyFrom(command.scan)
    scan.attached_at.FromDatetime(work.now)
    scan.attached_by.CopyFrom(actor_of(work.actor))
    save_document(work, document, row["serial_number"])
    work.record(document_stream(document.id), events_pb2.SignedScanAttached(document=document, scan=scan))
    return rpc.AttachSignedScanResponse(document=document)


ATTACH_SCAN = Handler(
    "AttachSignedScan",
    _attach,
    rpc.AttachSignedScanResponse,
    lambda c: (
        Need(transfers, "id", (c.transfer_id,)),
        Need(issued_documents, "id", (document_key(c.document_id, c.version),)),
    ),
    lambda c: (document_stream(c.document_id),),
)
