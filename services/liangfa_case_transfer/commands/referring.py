"""Issued documents that go with a step: named by their ids, filled in by the service, handed over with the step."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date

from liangfa_case_transfer import errors
from liangfa_case_transfer.authority import may_see_document
from liangfa_case_transfer.commands.issuing import document_key, save_document
from liangfa_case_transfer.document_errors import DocumentNotFound
from liangfa_case_transfer.tables import issued_documents
from liangfa_kit.errors import FieldViolation
from liangfa_kit.store.port import Row
from liangfa_kit.work import Need, Work
from liangfa_protos.case_transfer.v1 import document_pb2
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc

REPLY_BY = "reply_by"
"""The field, of a step and of a document, with the last day for the answer."""
_NAMED_DAY = re.compile(r"([0-9]{4})[-年]([0-9]{1,2})[-月]([0-9]{1,2})日?(?:以前|之前|前)?")


def document_needs(request: rpc.TakeStepRequest, *, passes_on: bool) -> tuple[Need, ...]:
    """Return the issued documents that a step names, and all of the transfer where it passes the case on."""
    ids = sorted({one.document_id for one in request.documents if one.document_id})
    passed = (request.transfer_id,) if passes_on else ()
    return Need(issued_documents, "document_id", tuple(ids)), Need(issued_documents, "transfer_id", passed)


def referred(request: rpc.TakeStepRequest, transfer: pb.Transfer, work: Work) -> list[document_pb2.IssuedDocument]:
    """Return the newest version of each document that the step names by its id.

    Raises `DocumentNotFound` for one that the actor may not see, `Invalid` for one that is not what is said of it.
    """
    found = {}
    for number, asked in enumerate(request.documents):
        if asked.document_id:
            document = _newest(asked.document_id, transfer, work)
            _require_same(asked, document, f"documents[{number}]", request.suspect_id)
            found[document.id] = document
    return list(found.values())


def filled_in(asked: Iterable[pb.Document], known: Iterable[document_pb2.IssuedDocument]) -> Iterator[pb.Document]:
    """Yield the documents of a step with hash and number of those that were issued here, signed copies beside them."""
    by_id = {document.id: document for document in known}
    for one in asked:
        document = by_id.pop(one.document_id, None) if one.document_id else None
        if document is not None:
            yield _as_taken(document, document.title, document.sha256, document.size_bytes)
            for scan in document.scans:
                title = f"{document.title}（签章扫描件：{scan.file_name}）"
                yield _as_taken(document, title, scan.sha256, scan.size_bytes)
        elif not one.document_id:
            yield one


def take_named_day(request: rpc.TakeStepRequest, issued: Iterable[document_pb2.IssuedDocument]) -> None:
    """Fill the day of the answer in from the document that names it. Raises `Invalid` for another day beside it."""
    for document in issued:
        day = _day(document.fields.get(REPLY_BY, ""))
        if day and request.fields.get(REPLY_BY, "") not in {"", day}:
            words = f"文书载明 {day}，请勿另填 (the document says {day}: leave it empty, or correct the document)"
            raise errors.invalid([FieldViolation(f"fields.{REPLY_BY}", "DOCUMENT_DIFFERS", words)])
        if day:
            request.fields[REPLY_BY] = day


def _day(text: str) -> str:
    """Return the day that a document names, as ISO date; empty for a span, or for words that name none."""
    found = _NAMED_DAY.fullmatch(text.strip())
    with suppress(ValueError):  # a month or a day that no calendar has
        return date(*map(int, found.groups())).isoformat() if found else ""
    return ""


def hand_over(documents: Iterable[document_pb2.IssuedDocument], receivers: Iterable[str], work: Work) -> None:
    """Make documents visible to the organisations that a step has handed them to."""
    to = [one for one in receivers if one]
    for document in documents:
        row = work.row(issued_documents, document_key(document.id, document.version))
        if row is not None:
            _add_receivers(row, to, work)


def pass_documents_on(transfer_id: str, former: str, organ: str, work: Work) -> None:
    """Make what was handed to the `former` police organ visible to the one that the case is passed on to."""
    for row in work.rows(issued_documents, "transfer_id", transfer_id):
        if former in document_pb2.IssuedDocument.FromString(row["body"]).handed_to:
            _add_receivers(row, [organ], work)


def _add_receivers(row: Row, to: Iterable[str], work: Work) -> None:
    document = document_pb2.IssuedDocument.FromString(row["body"])
    if new := [one for one in to if one not in document.handed_to]:
        document.handed_to.extend(new)
        save_document(work, document, row["serial_number"])


def _newest(document_id: str, transfer: pb.Transfer, work: Work) -> document_pb2.IssuedDocument:
    rows = work.rows(issued_documents, "document_id", document_id)
    all_versions = [document_pb2.IssuedDocument.FromString(row["body"]) for row in rows]
    seen = [one for one in all_versions if one.transfer_id == transfer.id and may_see_document(work.actor, one)]
    if not seen:
        raise DocumentNotFound(document_id)
    return max(seen, key=lambda one: one.version)


def _require_same(asked: pb.Document, document: document_pb2.IssuedDocument, where: str, suspect_id: str) -> None:
    """Raise `Invalid` where the request says of a document what is not so: nobody hands over what they did not mean."""
    known = {"kind": document.kind, "number": document.number, "sha256": document.sha256}
    wrong = [
        FieldViolation(f"{where}.{name}", "DOCUMENT_DIFFERS", f"该文书为 {value or '（无）'} (leave it empty)")
        for name, value in known.items()
        if getattr(asked, name) not in {"", value}
    ]
    if document.suspect_id and suspect_id and document.suspect_id != suspect_id:
        words = "该文书针对另一名嫌疑人 (it concerns another suspect)"
        wrong.append(FieldViolation(f"{where}.document_id", "DOCUMENT_DIFFERS", words))
    if wrong:
        raise errors.invalid(wrong)


def _as_taken(document: document_pb2.IssuedDocument, title: str, sha256: str, size_bytes: int) -> pb.Document:
    return pb.Document(
        kind=document.kind,
        title=title,
        number=document.number,
        sha256=sha256,
        size_bytes=size_bytes,
        document_id=document.id,
    )
