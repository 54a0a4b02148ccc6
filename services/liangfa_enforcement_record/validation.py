"""What an entered case must satisfy. Every finding names its field; nothing is corrected silently."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import date
from decimal import Decimal
from functools import cache

from liangfa_enforcement_record.errors import invalid
from liangfa_kit.errors import FieldViolation
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_protos.standards.v1 import values_pb2
from liangfa_standards.codes import penalty_categories
from liangfa_standards.identifiers import is_valid_resident_id, is_valid_uscc

HAO = Decimal(10_000)
MAX_NARRATIVE = 100_000
MAX_TEXT = 20_000
MAX_REMARKS = 5_000
MAX_NAME = 200
MAX_PARTIES = 200
MAX_LIST = 50
_AMOUNT = re.compile(r"\d{1,13}(\.\d{1,4})?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069]")
"""Besides C0 and C1 the characters that turn the direction of writing: they make a text read otherwise than it is."""
_RESIDENT_DOCUMENTS = frozenset({"resident_id", "temp_resident_id", "hkmotw_residence"})
_STAGES, _SOURCES = frozenset(pb.Stage.values()), frozenset(pb.Source.values())
_PROCEDURES, _PARTY_KINDS = frozenset(pb.Procedure.values()), frozenset(values_pb2.PartyKind.values())
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def to_hao(yuan: str) -> int:
    """Return a checked amount in whole 毫 (1/10,000 yuan); 0 when empty."""
    return int(Decimal(yuan) * HAO) if yuan else 0


def check_case(case: pb.Case, before: pb.Case | None = None) -> None:
    """Raise `Invalid` with every violation of an entered case; of a changed one with those that `before` had not.

    What a table brought incomplete (a date without a day, say) must not keep an officer from amending something else.
    """
    known = set(_violations(before)) if before is not None else frozenset()
    _refuse_any([violation for violation in _violations(case) if violation not in known])


def _violations(case: pb.Case) -> Iterator[FieldViolation]:
    yield from _case_violations(case)
    if case.HasField("decision"):
        yield from decision_violations(case.decision, "case.decision")


def check_decision(decision: pb.Decision) -> None:
    """Raise `Invalid` with every violation of a decision."""
    _refuse_any(list(decision_violations(decision, "decision")))


def check_step(step: pb.Step) -> None:
    """Raise `Invalid` with every violation of a recorded act."""
    found = [*_required(step.kind, "step.kind"), *_required(step.description, "step.description")]
    if not step.HasField("done_at"):
        found.append(FieldViolation("step.done_at", "FIELD_REQUIRED", "须填写时间 (say when it was done)"))
    elif not date_range_holds(step.done_at.seconds):
        found.append(FieldViolation("step.done_at", "DATE_MALFORMED", "时间应在 1949 至 2100 年之间 (1949 to 2100)"))
    if not step.officers:
        found.append(FieldViolation("step.officers", "FIELD_REQUIRED", "须填写执法人员 (say who did it)"))
    found += text_violations([("step.description", step.description, MAX_TEXT)])
    found += text_violations([("step.place", step.place, MAX_NAME), ("step.kind", step.kind, MAX_NAME)])
    found += [*_names(step.officers, "step.officers"), *_names(step.recordings, "step.recordings")]
    _refuse_any(found)


def date_range_holds(seconds: int) -> bool:
    """Tell whether an instant (seconds since 1970) lies between 1949 and 2100."""
    return -662_688_000 <= seconds < 4_133_980_800


def _refuse_any(violations: list[FieldViolation]) -> None:
    if violations:
        raise invalid(violations)


def _case_violations(case: pb.Case) -> Iterator[FieldViolation]:
    yield from _required(case.cause, "case.cause")
    yield from text_violations(
        [
            ("case.cause", case.cause, 500),
            ("case.title", case.title, 500),
            ("case.narrative", case.narrative, MAX_NARRATIVE),
            ("case.legal_basis", case.legal_basis, MAX_TEXT),
            ("case.case_number", case.case_number, 100),
            ("case.remarks", case.remarks, MAX_REMARKS),
            ("case.occurred_place", case.occurred_place, 500),
            ("case.transferred_to", case.transferred_to, MAX_NAME),
        ]
    )
    yield from amount_violations(case.amount_yuan, "case.amount_yuan")
    yield from date_violations(case.occurred_on, "case.occurred_on")
    yield from date_violations(case.transferred_on, "case.transferred_on")
    yield from _names(case.handlers, "case.handlers")
    yield from _fact_violations(case)
    yield from _unknown_values(
        [
            ("case.stage", case.stage, _STAGES),
            ("case.source", case.source, _SOURCES),
            ("case.procedure", case.procedure, _PROCEDURES),
        ]
    )
    if not any(party.name.strip() for party in case.parties):
        yield FieldViolation("case.parties", "PARTY_REQUIRED", "至少一名当事人 (a case needs a party with a name)")
    if len(case.parties) > MAX_PARTIES:
        yield _too_many("case.parties", len(case.parties), MAX_PARTIES)
    for number, party in enumerate(case.parties[:MAX_PARTIES]):
        yield from _party_violations(party, f"case.parties[{number}]")


def _fact_violations(case: pb.Case) -> Iterator[FieldViolation]:
    if len(case.facts) > MAX_PARTIES:
        yield _too_many("case.facts", len(case.facts), MAX_PARTIES)
    for name, value in case.facts.items():
        yield from text_violations([("case.facts", name, 100), ("case.facts", value, 500)])


def _party_violations(party: pb.Party, where: str) -> Iterator[FieldViolation]:
    yield from _required(party.name, f"{where}.name")
    yield from text_violations(
        [
            (f"{where}.name", party.name, MAX_NAME),
            (f"{where}.legal_representative", party.legal_representative, MAX_NAME),
            (f"{where}.phone", party.phone, 50),
            (f"{where}.address", party.address, 500),
            (f"{where}.id_document_type", party.id_document_type, 50),
            (f"{where}.id_document_number", party.id_document_number, 64),
        ]
    )
    yield from _unknown_values([(f"{where}.kind", party.kind, _PARTY_KINDS)])
    if len(party.other_codes) > MAX_LIST:
        yield _too_many(f"{where}.other_codes", len(party.other_codes), MAX_LIST)
    for name, value in party.other_codes.items():
        yield from text_violations([(f"{where}.other_codes", name, 100), (f"{where}.other_codes", value, MAX_NAME)])
    if party.uscc and not is_valid_uscc(party.uscc):
        message = "统一社会信用代码校验不通过 (not valid under GB 32100-2015)"
        yield FieldViolation(f"{where}.uscc", "CODE_CHECK_FAILED", message)
    number = party.id_document_number
    if number and party.id_document_type in _RESIDENT_DOCUMENTS and not is_valid_resident_id(number):
        message = "公民身份号码校验不通过 (not valid under GB 11643-1999)"
        yield FieldViolation(f"{where}.id_document_number", "CODE_CHECK_FAILED", message)


def decision_violations(decision: pb.Decision, where: str) -> Iterator[FieldViolation]:
    """Yield what is wrong with a decision."""
    yield from _required(decision.decided_on, f"{where}.decided_on")
    for name in ("decided_on", "valid_until", "published_until"):
        yield from date_violations(getattr(decision, name), f"{where}.{name}")
    for name in ("fine_yuan", "confiscated_yuan"):
        yield from amount_violations(getattr(decision, name), f"{where}.{name}")
    yield from text_violations(
        [
            (f"{where}.content", decision.content, MAX_TEXT),
            (f"{where}.legal_basis", decision.legal_basis, MAX_TEXT),
            (f"{where}.document_number", decision.document_number, 128),
            (f"{where}.licence", decision.licence, 500),
            (f"{where}.decided_by", decision.decided_by, MAX_NAME),
        ]
    )
    yield from _names(decision.categories, f"{where}.categories")
    unknown = [category for category in decision.categories if not is_category(category)]
    if unknown:
        message = f"未知处罚类别 {unknown[0][:40]} (not a key of penalty_categories)"
        yield FieldViolation(f"{where}.categories", "VALUE_UNKNOWN", message)


@cache
def _category_keys() -> frozenset[str]:
    return frozenset(penalty_categories())


def is_category(text: str) -> bool:
    """Tell whether `text` is a key of the code list penalty_categories, or `other:` with its own words."""
    return text in _category_keys() or (text.startswith("other:") and len(text) > len("other:"))


def amount_violations(text: str, where: str) -> Iterator[FieldViolation]:
    """Yield a violation unless `text` is empty or yuan with at most four decimals."""
    if text and not _AMOUNT.fullmatch(text):
        message = "金额以元为单位，最多四位小数，如 20000 (yuan, at most four decimals)"
        yield FieldViolation(where, "AMOUNT_MALFORMED", message)


def date_violations(text: str, where: str) -> Iterator[FieldViolation]:
    """Yield a violation unless `text` is empty or a full ISO date from 1949 to 2100."""
    if not text:
        return
    try:
        value = date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        value = None
    if value is None or not 1949 <= value.year <= 2100:
        message = "日期格式为 YYYY-MM-DD，1949 至 2100 年 (a date of the calendar, 1949 to 2100)"
        yield FieldViolation(where, "DATE_MALFORMED", message)


def _required(text: str, where: str) -> Iterator[FieldViolation]:
    if not text.strip():
        yield FieldViolation(where, "FIELD_REQUIRED", "必填 (must not be empty)")


def text_violations(texts: Iterable[tuple[str, str, int]]) -> Iterator[FieldViolation]:
    """Yield what is wrong with texts, given as (field, text, most characters)."""
    for where, text, most in texts:
        if len(text) > most:
            message = f"最多 {most} 个字符，现有 {len(text)} 个 (at most {most} characters, {len(text)} sent)"
            yield FieldViolation(where, "TEXT_TOO_LONG", message)
        elif text and not text.isprintable() and _CONTROL.search(text):
            message = "含有控制字符，请以纯文本重新粘贴 (control characters: paste it again as plain text)"
            yield FieldViolation(where, "CONTROL_CHARACTERS", message)


def _names(names: Iterable[str], where: str) -> Iterator[FieldViolation]:
    listed = list(names)
    if len(listed) > MAX_LIST:
        yield _too_many(where, len(listed), MAX_LIST)
    yield from text_violations((where, name, MAX_NAME) for name in listed[:MAX_LIST])


def _too_many(where: str, count: int, most: int) -> FieldViolation:
    return FieldViolation(where, "TOO_MANY", f"最多 {most} 项，现有 {count} 项 (at most {most}, {count} sent)")


def _unknown_values(values: Iterable[tuple[str, int, AbstractSet[int]]]) -> Iterator[FieldViolation]:
    for where, value, known in values:
        if value not in known:
            yield FieldViolation(where, "VALUE_UNKNOWN", f"未知取值 {value} (not a known value)")
