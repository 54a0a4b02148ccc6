"""Issuing documents: the number is taken in the transaction that journals the document, so a series has no gaps.

The file is written before, with the number that should come next. If that number is not the next one any more, or the
transfer has changed, the handler refuses with `DocumentOutrun` and the caller writes the file again: a refused command
takes no number.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from liangfa_case_transfer import errors
from liangfa_case_transfer.document_errors import CodeWordTaken, DocumentNotFound, DocumentOutrun
from liangfa_case_transfer.records import actor_of, stored
from liangfa_case_transfer.tables import issued_documents, number_series, transfers
from liangfa_case_transfer.validation import MAX_SERIAL
from liangfa_kit.errors import FieldViolation, Stale
from liangfa_kit.store.port import Row
from liangfa_kit.work import Handler, Need, Work
from liangfa_procedure.numbering import DocumentNumber, after, meant
from liangfa_protos.case_transfer.v1 import document_pb2 as pb
from liangfa_protos.case_transfer.v1 import document_service_pb2 as rpc
from liangfa_protos.case_transfer.v1 import events_pb2

FIRST = 1
_ON_PAPER = "/on_paper/"


@dataclass(frozen=True, slots=True)
class Issue:
    """Issue `document` as it was written; `transfer_version` is that of the transfer it was filled from.

    `code_word` is empty for a document without a number and for a corrected version.
    """

    document: pb.IssuedDocument
    transfer_version: int
    code_word: str = ""


def document_stream(document_id: str) -> str:
    """Return the journal stream of a document: it must not outdate what people have read of the transfer."""
    return f"document/{document_id}"


def document_key(document_id: str, version: int) -> str:
    """Return the primary key of a version of a document: those of one document sort by version."""
    return f"{document_id}/{version:04d}"


def next_number(series: list[Row], code_word: str, at: datetime, organisation_id: str) -> DocumentNumber:
    """Return the number that follows in an organisation's series of `code_word`, whose rows are given, in the year of `at`.

    It also follows those that the organisation gave by hand or on paper before the platform had the series.
    """
    first = after(None, code_word, at)
    keys = (series_key(first), hand_key(first), paper_key(first, organisation_id))
    last = max((row["last_serial"] for row in series if row["id"] in keys), default=0)
    return after(DocumentNumber(code_word, first.year, last), code_word, at) if last else first


def series_key(number: DocumentNumber) -> str:
    """Return the primary key of the series that a number belongs to."""
    return f"{number.code_word}/{number.year}"


def hand_key(number: DocumentNumber) -> str:
    """Return the primary key of what was given by hand of a number's series: the highest of it."""
    return f"{series_key(number)}/by_hand"


def paper_key(number: DocumentNumber, organisation_id: str) -> str:
    """Return the primary key of what an organisation gave on paper of a number's series: the highest that a step named."""
    return f"{series_key(number)}{_ON_PAPER}{organisation_id}"


def is_begun(series: list[Row]) -> bool:
    """Tell whether the platform has given numbers of the code word whose rows these are."""
    return any(not row["id"].endswith("/by_hand") and _ON_PAPER not in row["id"] for row in series)


def save_document(work: Work, document: pb.IssuedDocument, serial_number: str | None) -> None:
    """Keep a version of a document."""
    work.save(
        issued_documents,
        {
            "id": document_key(document.id, document.version),
            "document_id": document.id,
            "transfer_id": document.transfer_id,
            "version": document.version,
            "kind": document.kind,
            "issuer_id": document.issuer.id,
            "is_handed_over": bool(document.handed_to),
            "serial_number": serial_number,
            "body": document.SerializeToString(deterministic=True),
        },
    )


def _issue(command: Issue, work: Work) -> rpc.IssueDocumentResponse:
    document = pb.IssuedDocument()
    document.CopyFrom(command.document)
    _row, transfer = stored(work, document.transfer_id)
    if transfer.version != command.transfer_version:
        raise DocumentOutrun
    document.issued_by.CopyFrom(actor_of(work.actor))
    serial_number: str | None = None
    if document.version > FIRST:
        serial_number = _superseded(document, work)
    elif command.code_word:
        serial_number = _taken_number(document, command.code_word, work)
    elif (number := meant(document.number)) is not None:
        serial_number = _given_by_hand(number, work)
    save_document(work, document, serial_number)
    work.record(document_stream(document.id), events_pb2.DocumentIssued(document=document))
    return rpc.IssueDocumentResponse(document=document)


def _given_by_hand(number: DocumentNumber, work: Work) -> str:
    """Keep a number that the organisation gave itself, so that neither a person nor the series gives it again.

    Registers elsewhere write it in other ways, or count further than any series here: the document keeps it as written.
    """
    series = work.rows(number_series, "code_word", number.code_word)
    require_own_series(series, number.code_word, work.actor.agency_id)
    if is_begun(series):
        words = "该代字的文号由平台编排，请填机关代字 (numbers of this series are taken with `code_word`)"
        raise errors.invalid([FieldViolation("draft.fields.number", "NUMBER_OF_SERIES", words)])
    if work.rows(issued_documents, "serial_number", str(number)):
        words = f"文号 {number} 已用于另一份文书，请改用其他文号 (another document has this number)"
        raise errors.invalid([FieldViolation("draft.fields.number", "NUMBER_GIVEN", words)])
    if number.serial <= MAX_SERIAL:
        highest = max((row["last_serial"] for row in series if row["id"] == hand_key(number)), default=0)
        save_series(work, hand_key(number), number.code_word, max(highest, number.serial))
    return str(number)


def _taken_number(document: pb.IssuedDocument, code_word: str, work: Work) -> str:
    series = work.rows(number_series, "code_word", code_word)
    require_own_series(series, code_word, work.actor.agency_id)
    number = next_number(series, code_word, document.issued_at.ToDatetime(tzinfo=UTC), work.actor.agency_id)
    if str(number) != document.number:
        raise DocumentOutrun
    save_series(work, series_key(number), code_word, number.serial)
    return str(number)


def save_series(work: Work, key: str, code_word: str, last_serial: int) -> None:
    """Keep how far a series of the caller's organisation is."""
    row = {"id": key, "code_word": code_word, "organisation_id": work.actor.agency_id, "last_serial": last_serial}
    work.save(number_series, row)


def require_own_series(series: list[Row], code_word: str, organisation_id: str) -> None:
    """Raise `CodeWordTaken` for a code word with which another organisation numbers its documents.

    Papers that a step named claim none: whoever wrote it down may have meant another's.
    """
    if any(row["organisation_id"] != organisation_id and _ON_PAPER not in row["id"] for row in series):
        raise CodeWordTaken(code_word)


def require_version(newest: pb.IssuedDocument, read: int) -> None:
    """Raise `Stale` unless the caller has read the newest version."""
    if newest.version != read:
        raise Stale(
            f"The newest version of the document is {newest.version}, not {read}.",
            message_zh=f"该文书已有更新的版本（第 {newest.version} 版）。",
            remedy="Read it again, check the change, and send your correction with the new version.",
            found=newest.version,
            expected=read,
        )


def _superseded(document: pb.IssuedDocument, work: Work) -> str | None:
    """Mark the version before as superseded; return the number that it took from a series."""
    versions = work.rows(issued_documents, "document_id", document.id)
    newest = max(versions, key=lambda row: int(row["version"]), default=None)
    before = pb.IssuedDocument.FromString(newest["body"]) if newest is not None else pb.IssuedDocument()
    if newest is None or before.transfer_id != document.transfer_id or before.issuer.id != work.actor.agency_id:
        raise DocumentNotFound(document.id)
    require_version(before, document.version - 1)
    if before.sha256 == document.sha256:
        words = "与原文书内容相同 (it says the same as the version before)"
        raise errors.invalid([FieldViolation("draft", "NOTHING_CORRECTED", words)])
    before.superseded_by = document.version
    save_document(work, before, newest["serial_number"])
    taken: str | None = newest["serial_number"]
    return taken


def _needs(command: Issue) -> tuple[Need, ...]:
    given = meant(command.document.number)
    return (
        Need(transfers, "id", (command.document.transfer_id,)),
        Need(issued_documents, "document_id", (command.document.id,)),
        Need(issued_documents, "serial_number", (str(given) if given else "",)),
        Need(number_series, "code_word", (command.code_word or (given.code_word if given else ""),)),
    )


ISSUE_DOCUMENT = Handler(
    "IssueDocument",
    _issue,
    rpc.IssueDocumentResponse,
    _needs,
    lambda c: (document_stream(c.document.id),),
)
