"""What requests must satisfy. Every finding names its field; nothing is corrected silently."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime

from liangfa_case_transfer.errors import invalid
from liangfa_kit.clock import beijing_date
from liangfa_kit.errors import FieldViolation
from liangfa_procedure.documents import documents
from liangfa_procedure.numbering import is_code_word
from liangfa_procedure.rules import FIELDS, Rules
from liangfa_procedure.steps import Step
from liangfa_procedure.writing import has_number
from liangfa_protos.case_transfer.v1 import document_pb2, document_service_pb2
from liangfa_protos.case_transfer.v1 import transfer_pb2 as pb
from liangfa_protos.case_transfer.v1 import transfer_service_pb2 as rpc

MAX_TEXT = 20_000
MAX_DOCUMENT_TEXT = 100_000
MAX_NAME = 200
MAX_LIST = 200
MAX_HELD = 1_000
MAX_SERIAL = 999_999
"""No organisation issues so many documents of one kind in a year: more is a slip of the pen."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_CODE_WORD = "机关代字为 1 至 20 个汉字，如 洪市监移 (1 to 20 Chinese characters)"
_BETWEEN_PEOPLE = re.compile(r"[\s、，,；;/]+")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_opening(request: rpc.OpenTransferRequest) -> None:
    """Raise `Invalid` with every violation of an opening."""
    _check(
        _text("case_id", request.case_id, MAX_NAME, is_required=True),
        _text("title", request.title, 500, is_required=True),
        _text("facts", request.facts, MAX_TEXT),
        _text("screening_id", request.screening_id, MAX_NAME),
        _sector(request.sector),
        *(
            _text(f"{side}.{name}", getattr(getattr(request, side), name), MAX_NAME, is_required=True)
            for side in ("receiver", "supervisor")
            for name in ("id", "name")
        ),
        _distinct_sides(request),
        _texts("suspect_names", request.suspect_names, is_required=True),
        _texts("offences", request.offences, is_required=True),
    )


def check_step(request: rpc.TakeStepRequest) -> None:
    """Raise `Invalid` with every violation of a step's form; what the step itself needs is said by the table."""
    _check(
        _size("documents", request.documents),
        _size("items", request.items),
        _size("fields", request.fields),
        (found for number, document in enumerate(request.documents) for found in _document(document, number)),
        (
            found
            for number, item in enumerate(request.items)
            for name in ("name", "quantity", "features", "place")
            for found in _text(f"items[{number}].{name}", getattr(item, name), 2_000, is_required=name == "name")
        ),
        _text("fields.receiving_organ", request.fields.get("receiving_organ", ""), MAX_NAME),
        _text("fields.receiving_organ_name", request.fields.get("receiving_organ_name", ""), MAX_NAME),
        _day("fields.reply_by", request.fields.get("reply_by", "")),
        (found for name in request.fields for found in _text(f"fields.{name}", request.fields[name], MAX_TEXT)),
    )


def check_people(step: Step, request: rpc.TakeStepRequest) -> None:
    """Raise `Invalid` where a field names fewer people than the step needs: a task force has two (国务院令第310号第五条)."""
    for name, least in step.people.items():
        if len({one for one in _BETWEEN_PEOPLE.split(request.fields[name]) if one}) < least:
            words = f"至少 {least} 人，姓名用顿号分开 (at least {least} people, their names separated by 、)"
            _check([FieldViolation(f"fields.{name}", "TOO_FEW_PEOPLE", words)])


def check_reply_by(request: rpc.TakeStepRequest, at: datetime) -> None:
    """Raise `Invalid` for an answer that is asked for by a day, in China, before that of the step."""
    day = request.fields.get("reply_by", "")
    if day and date.fromisoformat(day) < beijing_date(at):
        words = f"答复期限 {day} 早于文书日期 (that day had passed when the step was taken)"
        _check([FieldViolation("fields.reply_by", "DATE_PASSED", words)])


def check_division(reason: str, title: str = "") -> None:
    """Raise `Invalid` with every violation of a request to split or join."""
    _check(_text("reason", reason, MAX_TEXT, is_required=True), _text("title", title, 500))


def check_extension(request: rpc.ExtendClockRequest) -> None:
    """Raise `Invalid` with every violation of a request for more time."""
    _check(_text("ground", request.ground, MAX_TEXT), _text("approver", request.approver, MAX_NAME))


def day_in_china(text: str, now: datetime) -> date:
    """Return the day that a request names, `YYYY-MM-DD`; empty: the day in China at `now`. Raises `Invalid`."""
    today = beijing_date(now)
    if not text:
        return today
    with suppress(ValueError):  # a month or a day that no calendar has
        if _DAY.fullmatch(text) and date.fromisoformat(text) <= today:
            return date.fromisoformat(text)
    raise invalid([FieldViolation("day", "DATE_MALFORMED", "应为不晚于今日的日期 (YYYY-MM-DD, not after today)")])


def check_held(held: Sequence[rpc.HeldReceipt]) -> None:
    """Raise `Invalid` when more receipts are held against the ledger than one request may bring."""
    if len(held) > MAX_HELD:
        raise invalid([FieldViolation("held", "TOO_MANY", f"最多 {MAX_HELD} 项 (at most {MAX_HELD})")])


def check_draft(draft: document_service_pb2.DocumentDraft) -> None:
    """Raise `Invalid` with every violation of what a document is to say; what it lacks is said by its kind."""
    _check(
        _kind(draft.kind),
        _text("draft.addressee", draft.addressee, MAX_NAME),
        _code_word(draft),
        _size("draft.fields", draft.fields),
        _whole_text(draft),
        (found for name in sorted(draft.fields) for found in _draft_field(draft, name)),
        _size("draft.materials", draft.materials),
        (found for number, one in enumerate(draft.materials) for found in _material(one, number)),
    )


def check_series(request: document_service_pb2.StartNumberSeriesRequest) -> None:
    """Raise `Invalid` with every violation of where a series of numbers is to begin."""
    serial = f"本年度纸质文书最后一个序号，1 至 {MAX_SERIAL} (the last serial given on paper)"
    _check(
        () if is_code_word(request.code_word) else [FieldViolation("code_word", "CODE_WORD_MALFORMED", _CODE_WORD)],
        () if 1 <= request.last_serial <= MAX_SERIAL else [FieldViolation("last_serial", "VALUE_OUT_OF_RANGE", serial)],
    )


def check_correction(request: document_service_pb2.IssueDocumentRequest) -> None:
    """Raise `Invalid` for a correction without its reason, and for a reason without anything corrected."""
    reason = request.correction_reason
    _check(_text("correction_reason", reason, 2_000, is_required=bool(request.corrects)))
    if reason and not request.corrects:
        _check([FieldViolation("corrects", "FIELD_REQUIRED", "未指明被更正的文书 (which document is corrected?)")])


def _check(*found: Iterable[FieldViolation]) -> None:
    violations = [violation for part in found for violation in part]
    if violations:
        raise invalid(violations)


def _text(where: str, value: str, most: int, *, is_required: bool = False) -> Iterator[FieldViolation]:
    if is_required and not value.strip():
        yield FieldViolation(where, "FIELD_REQUIRED", "必填 (must not be empty)")
    elif len(value) > most:
        yield FieldViolation(where, "TEXT_TOO_LONG", f"最多 {most} 个字符 (at most {most} characters)")
    elif _CONTROL.search(value):
        yield FieldViolation(where, "CONTROL_CHARACTERS", "含有控制字符 (control characters)")


def _day(where: str, value: str) -> Iterator[FieldViolation]:
    is_day = not value
    with suppress(ValueError):  # a month or a day that no calendar has
        is_day = is_day or bool(_DAY.fullmatch(value) and date.fromisoformat(value))
    if not is_day:
        yield FieldViolation(where, "DATE_MALFORMED", "应为日期，如 2026-05-20 (a day like 2026-05-20)")


def _texts(where: str, values: Sequence[str], *, is_required: bool) -> Iterator[FieldViolation]:
    if is_required and not values:
        yield FieldViolation(where, "FIELD_REQUIRED", "至少一项 (at least one)")
    yield from _size(where, values)
    for number, value in enumerate(values[:MAX_LIST]):
        yield from _text(f"{where}[{number}]", value, MAX_NAME, is_required=True)


def _size(where: str, values: object) -> Iterator[FieldViolation]:
    if len(values) > MAX_LIST:  # type: ignore[arg-type]  # a repeated field or a map
        yield FieldViolation(where, "TOO_MANY", f"最多 {MAX_LIST} 项 (at most {MAX_LIST})")


def _distinct_sides(request: rpc.OpenTransferRequest) -> Iterator[FieldViolation]:
    if request.receiver.id and request.receiver.id == request.supervisor.id:
        yield FieldViolation(
            "supervisor.id", "SIDES_NOT_DISTINCT", "不能与接收机关相同 (must differ from the receiver)"
        )


def _sector(sector: str) -> Iterator[FieldViolation]:
    known = sorted(Rules.load().sectors() | FIELDS.keys())
    if sector and sector not in known:
        yield FieldViolation("sector", "VALUE_UNKNOWN", f"未知领域 (one of {', '.join(known)}, or empty)")


def _document(document: pb.Document, number: int) -> Iterator[FieldViolation]:
    where = f"documents[{number}]"
    yield from _text(f"{where}.document_id", document.document_id, MAX_NAME)
    if document.document_id:
        return  # the rest is filled in
    if document.kind not in documents():
        yield FieldViolation(f"{where}.kind", "VALUE_UNKNOWN", "未知文书种类 (no kind of the procedure)")
    yield from _text(f"{where}.title", document.title, 500, is_required=True)
    yield from _text(f"{where}.number", document.number, MAX_NAME)
    if not _SHA256.fullmatch(document.sha256):
        yield FieldViolation(f"{where}.sha256", "HASH_MALFORMED", "应为 64 位十六进制 SHA-256 (64 hexadecimal digits)")
    if document.size_bytes < 0:
        yield FieldViolation(f"{where}.size_bytes", "SIZE_NEGATIVE", "不能为负数 (must not be negative)")


def _kind(kind: str) -> Iterator[FieldViolation]:
    if kind not in documents():
        yield FieldViolation("draft.kind", "VALUE_UNKNOWN", "未知文书种类 (no kind of the procedure)")


def _code_word(draft: document_service_pb2.DocumentDraft) -> Iterator[FieldViolation]:
    if draft.code_word and not is_code_word(draft.code_word):
        yield FieldViolation("draft.code_word", "CODE_WORD_MALFORMED", _CODE_WORD)
    if (
        draft.code_word
        and draft.fields.get("number", "").strip()
        and draft.kind in documents()
        and has_number(documents()[draft.kind])
    ):
        words = "使用机关代字时不填文号 (leave it empty: the number is taken from the series)"
        yield FieldViolation("draft.fields.number", "NUMBER_GIVEN", words)


def _whole_text(draft: document_service_pb2.DocumentDraft) -> Iterator[FieldViolation]:
    if sum(map(len, draft.fields.values())) > MAX_DOCUMENT_TEXT:
        words = f"全文最多 {MAX_DOCUMENT_TEXT} 个字符 (all fields together)"
        yield FieldViolation("draft.fields", "TEXT_TOO_LONG", words)


def _draft_field(draft: document_service_pb2.DocumentDraft, name: str) -> Iterator[FieldViolation]:
    kind = documents().get(draft.kind)
    if kind is not None and name not in kind.required_fields:
        words = f"该文书没有此项 (its fields: {', '.join(kind.required_fields)})"
        yield FieldViolation(f"draft.fields.{name[:MAX_NAME]}", "FIELD_UNKNOWN", words)
    else:
        yield from _text(f"draft.fields.{name[:MAX_NAME]}", draft.fields[name], MAX_TEXT)


def _material(material: document_pb2.Material, number: int) -> Iterator[FieldViolation]:
    where = f"draft.materials[{number}]"
    yield from _text(f"{where}.title", material.title, 500, is_required=not material.document_id)
    yield from _text(f"{where}.document_id", material.document_id, MAX_NAME)
    if material.document_id and material.sha256:
        words = "已指明文书的，哈希值由平台填写 (filled in from document_id)"
        yield FieldViolation(f"{where}.sha256", "HASH_GIVEN", words)
    if not material.document_id and not _SHA256.fullmatch(material.sha256):
        yield FieldViolation(f"{where}.sha256", "HASH_MALFORMED", "应为 64 位十六进制 SHA-256 (64 hexadecimal digits)")
