"""From a draft of the importer to a case of the record. Pure; what the draft leaves open stays empty."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from liangfa_enforcement_record.importing.drafts import CaseDraft, OutcomeKind, PartyDraft, RowOutcome
from liangfa_enforcement_record.importing.duplicates import Finding
from liangfa_enforcement_record.importing.identity import content_hash, fingerprint
from liangfa_enforcement_record.importing.problems import PROBLEM_REASONS, Problem
from liangfa_enforcement_record.records import natural_key
from liangfa_enforcement_record.validation import MAX_REMARKS
from liangfa_kit.identity import Actor
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as rpc
from liangfa_protos.standards.v1 import values_pb2
from liangfa_standards.money import money_text

_KINDS = {
    "org": values_pb2.PARTY_KIND_ORG,
    "trader": values_pb2.PARTY_KIND_TRADER,
    "person": values_pb2.PARTY_KIND_PERSON,
}
_PROCEDURES = {"simple": pb.PROCEDURE_SIMPLE, "general": pb.PROCEDURE_GENERAL}
_STATES = {"disputed": "公示状态：异议", "other": "公示状态：其他"}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A row that is a case, complete but for what the record itself adds. `row` counts as a spreadsheet does.

    `natural_key` is under which the case is known again, `row_hash` tells a revised row from a repeated one.
    `guessed_kinds` are the parties (by number) whose kind the row does not state.
    """

    row: int
    case: pb.Case
    natural_key: str
    row_hash: str
    remarks: tuple[pb.Remark, ...] = ()
    guessed_kinds: frozenset[int] = frozenset()


def prepared(outcome: RowOutcome, importer: Actor, import_id: str) -> Prepared | None:
    """Return the case that a row becomes for the agency of `importer`; None for a row that holds none."""
    draft = outcome.draft
    if draft is None:
        return None
    case = _case(draft, importer, import_id)
    key = natural_key(importer.agency_id, draft.document_number, case.parties) or _key_without_number(draft, importer)
    guessed = frozenset(number for number, party in enumerate(draft.parties) if not party.is_category_stated)
    remarks = remarks_of(outcome) if outcome.problems else ()
    return Prepared(outcome.row, case, key, content_hash(draft), remarks, guessed)


def _key_without_number(draft: CaseDraft, importer: Actor) -> str:
    """Return the key of a case without a document number: its case number when it is undecided, else its substance."""
    known = f"#{draft.case_number}" if draft.case_number and not draft.is_decided else f"={fingerprint(draft)}"
    return hashlib.blake2b(f"{importer.agency_id}|{known}".encode(), digest_size=16).hexdigest()


def _case(draft: CaseDraft, importer: Actor, import_id: str) -> pb.Case:
    return pb.Case(
        title=draft.case_name,
        cause=draft.cause,
        narrative=draft.facts,
        amount_yuan=_yuan(draft.amount_involved_yuan),
        source=draft.case_source or 0,  # type: ignore[arg-type]  # the code list's numbers are the enum's
        procedure=_PROCEDURES.get(draft.procedure, pb.PROCEDURE_UNSPECIFIED),
        legal_basis="" if draft.is_decided else draft.legal_basis,
        handlers=draft.handlers,
        stage=pb.STAGE_DECIDED if draft.is_decided else pb.STAGE_RECEIVED,
        parties=[_party(party) for party in draft.parties],
        decision=_decision(draft) if draft.is_decided else None,
        agency_id=importer.agency_id,
        agency_name=importer.agency_name,
        agency_type=importer.agency_type,
        region=importer.region,
        occurred_on=_iso(draft.occurred_on),
        occurred_place=draft.occurred_place,
        case_number=draft.case_number,
        transferred=bool(draft.transferred),
        transferred_on=_iso(draft.transferred_on),
        transferred_to=draft.transferred_to,
        import_id=import_id,
        remarks=_remarks(draft),
    )


def _party(party: PartyDraft) -> pb.Party:
    return pb.Party(
        name=party.name,
        kind=_KINDS.get(party.category, values_pb2.PARTY_KIND_UNSPECIFIED),
        uscc=party.uscc,
        id_document_type=party.id_document_type,
        id_document_number=party.id_document_number,
        legal_representative=party.legal_representative,
        phone=party.phone,
        address=party.address,
        other_codes=party.other_codes,
    )


def _decision(draft: CaseDraft) -> pb.Decision:
    return pb.Decision(
        document_number=draft.document_number,
        decided_on=draft.decided_text,
        categories=[*draft.penalty_categories, *(f"other:{words}" for words in draft.other_penalties)],
        content=draft.penalty_content,
        fine_yuan=_yuan(draft.fine_or_suggestion),
        confiscated_yuan=_yuan(draft.confiscated_or_suggestion),
        licence=draft.licence,
        legal_basis=draft.legal_basis,
        valid_until=_iso(draft.valid_until),
        published_until=_iso(draft.publicity_until),
        decided_by=draft.agency_name,
    )


def _remarks(draft: CaseDraft) -> str:
    state = _STATES.get(draft.state)
    text = f"{state}；{draft.remarks}".rstrip("；") if state else draft.remarks
    return text[:MAX_REMARKS]


def _yuan(amount: Decimal | None) -> str:
    return money_text(amount) if amount is not None else ""


def _iso(day: date | None) -> str:
    return day.isoformat() if day is not None else ""


def remarks_of(outcome: RowOutcome) -> tuple[pb.Remark, ...]:
    """Return what is doubtful about a row that became a case."""
    return tuple(
        pb.Remark(column=found.column, value=found.value, reason=found.reason, message_zh=found.message_zh)
        for found in outcome.problems
    )


def rejected_row(outcome: RowOutcome) -> rpc.RejectedRow:
    """Return a row kept aside as it stands, with every problem: errors first, then what else is doubtful."""
    row = rpc.RejectedRow(row=outcome.row, values=outcome.values, columns=list(outcome.values))
    for found in (*outcome.errors, *outcome.warnings):
        row.problems.add(
            column=found.column,
            value=found.value,
            reason=found.reason,
            message_zh=found.message_zh,
            message_en=found.message_en,
            remedy_zh=found.remedy_zh,
            remedy_en=found.remedy_en,
            detail=found.detail,
        )
    return row


def kept_outcome(row: rpc.RejectedRow) -> RowOutcome:
    """Return a row kept aside as the reading told it, for writing it to a file."""
    problems = tuple(
        Problem(row.row, found.column, found.value, found.reason, found.detail)
        for found in row.problems
        if found.reason in PROBLEM_REASONS
    )
    cells = tuple(row.values[name] for name in row.columns)
    return RowOutcome(row.row, OutcomeKind.REJECTED, cells, tuple(row.columns), problems=problems)


def told_finding(found: Finding) -> rpc.Finding:
    """Return a finding as it is stored and read."""
    return rpc.Finding(
        kind=str(found.kind),
        row=found.row,
        other_rows=found.other_rows,
        message_zh=found.message_zh,
        message_en=found.message_en,
    )
