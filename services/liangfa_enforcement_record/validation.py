"""What an entered case must satisfy. Every finding names its field; nothing is corrected silently."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal

from liangfa_enforcement_record.errors import invalid
from liangfa_kit.errors import FieldViolation
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_standards.identifiers import is_valid_resident_id, is_valid_uscc

HAO = Decimal(10_000)
MAX_NARRATIVE = 100_000
MAX_TEXT = 20_000
MAX_NAME = 200
_AMOUNT = re.compile(r"\d{1,13}(\.\d{1,4})?")


def to_hao(yuan: str) -> int:
    """Return a checked amount in whole 毫 (1/10,000 yuan); 0 when empty."""
    return int(Decimal(yuan) * HAO) if yuan else 0


def check_case(case: pb.Case) -> None:
    """Raise `Invalid` with every violation of an entered case."""
    _refuse_any([*_case_violations(case), *_decision_violations(case)])


def check_decision(decision: pb.Decision) -> None:
    """Raise `Invalid` with every violation of a decision."""
    _refuse_any(list(decision_violations(decision, "decision")))


def check_step(step: pb.Step) -> None:
    """Raise `Invalid` with every violation of a recorded act."""
    found = [*_required(step.kind, "step.kind"), *_required(step.description, "step.description")]
    if not step.HasField("done_at"):
        found.append(FieldViolation("step.done_at", "FIELD_REQUIRED", "say when it was done"))
    if not step.officers:
        found.append(FieldViolation("step.officers", "FIELD_REQUIRED", "say who did it"))
    found += _bounded(step.description, "step.description", MAX_TEXT)
    _refuse_any([*found, *_bounded(step.place, "step.place", MAX_NAME), *_bounded(step.kind, "step.kind", MAX_NAME)])


def _refuse_any(violations: list[FieldViolation]) -> None:
    if violations:
        raise invalid(violations)


def _case_violations(case: pb.Case) -> Iterator[FieldViolation]:
    yield from _required(case.cause, "case.cause")
    yield from _bounded(case.cause, "case.cause", 500)
    yield from _bounded(case.title, "case.title", 500)
    yield from _bounded(case.narrative, "case.narrative", MAX_NARRATIVE)
    yield from _bounded(case.legal_basis, "case.legal_basis", MAX_TEXT)
    yield from _bounded(case.case_number, "case.case_number", 100)
    yield from amount_violations(case.amount_yuan, "case.amount_yuan")
    yield from date_violations(case.occurred_on, "case.occurred_on")
    yield from _control_characters([("case.cause", case.cause), ("case.narrative", case.narrative)])
    if not any(party.name.strip() for party in case.parties):
        yield FieldViolation("case.parties", "PARTY_REQUIRED", "a case needs at least one party with a name")
    for number, party in enumerate(case.parties):
        yield from _party_violations(party, f"case.parties[{number}]")


def _party_violations(party: pb.Party, where: str) -> Iterator[FieldViolation]:
    yield from _required(party.name, f"{where}.name")
    yield from _bounded(party.name, f"{where}.name", MAX_NAME)
    if party.uscc and not is_valid_uscc(party.uscc):
        yield FieldViolation(f"{where}.uscc", "CODE_CHECK_FAILED", "not a valid 统一社会信用代码 (GB 32100-2015)")
    is_resident = party.id_document_type in {"resident_id", "temp_resident_id", "hkmotw_residence"}
    if party.id_document_number and is_resident and not is_valid_resident_id(party.id_document_number):
        yield FieldViolation(f"{where}.id_document_number", "CODE_CHECK_FAILED", "not a valid 公民身份号码 (GB 11643)")


def _decision_violations(case: pb.Case) -> Iterator[FieldViolation]:
    if case.HasField("decision"):
        yield from decision_violations(case.decision, "case.decision")


def decision_violations(decision: pb.Decision, where: str) -> Iterator[FieldViolation]:
    """Yield what is wrong with a decision."""
    yield from _required(decision.decided_on, f"{where}.decided_on")
    yield from date_violations(decision.decided_on, f"{where}.decided_on")
    yield from date_violations(decision.valid_until, f"{where}.valid_until")
    yield from date_violations(decision.published_until, f"{where}.published_until")
    yield from amount_violations(decision.fine_yuan, f"{where}.fine_yuan")
    yield from amount_violations(decision.confiscated_yuan, f"{where}.confiscated_yuan")
    yield from _bounded(decision.content, f"{where}.content", MAX_TEXT)
    yield from _bounded(decision.document_number, f"{where}.document_number", 128)


def amount_violations(text: str, where: str) -> Iterator[FieldViolation]:
    """Yield a violation unless `text` is empty or yuan with at most four decimals."""
    if text and not _AMOUNT.fullmatch(text):
        yield FieldViolation(
            where, "AMOUNT_MALFORMED", "yuan as a decimal number with at most four decimals, e.g. 20000"
        )


def date_violations(text: str, where: str) -> Iterator[FieldViolation]:
    """Yield a violation unless `text` is empty or an ISO date from 1949 to 2100."""
    if not text:
        return
    try:
        value = date.fromisoformat(text)
    except ValueError:
        yield FieldViolation(where, "DATE_MALFORMED", "a date of the calendar as YYYY-MM-DD")
        return
    if not 1949 <= value.year <= 2100:
        yield FieldViolation(where, "DATE_MALFORMED", "a date between 1949 and 2100")


def _required(text: str, where: str) -> Iterator[FieldViolation]:
    if not text.strip():
        yield FieldViolation(where, "FIELD_REQUIRED", "must not be empty")


def _bounded(text: str, where: str, most: int) -> Iterator[FieldViolation]:
    if len(text) > most:
        yield FieldViolation(where, "TEXT_TOO_LONG", f"{len(text)} characters, at most {most} are taken")


_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def _control_characters(texts: Iterable[tuple[str, str]]) -> Iterator[FieldViolation]:
    for where, text in texts:
        if _CONTROL.search(text):
            yield FieldViolation(
                where, "CONTROL_CHARACTERS", "contains control characters; paste the text again as plain text"
            )
