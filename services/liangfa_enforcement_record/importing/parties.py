"""Reading the parties of a row: names, several in one cell, codes in the wrong column. Nothing is repaired."""

from __future__ import annotations

import re
from collections.abc import Callable

from liangfa_enforcement_record.importing.drafts import PartyDraft
from liangfa_standards.blanks import is_blank
from liangfa_standards.codes import likely_party_category, read_id_document_type, read_party_category
from liangfa_standards.identifiers import (
    CodeKind,
    CodeReading,
    CodeState,
    kind_of_code,
    read_organisation_code,
    read_resident_id,
    read_uscc,
)
from liangfa_standards.texts import clean_text

Note = Callable[..., None]
"""Notes a problem of a field: field, reason, detail."""
_COLLECTIVE = re.compile(r"等(?:[0-9一二两三四五六七八九十几多]+)?(?:人|家|户|名)")
_SEPARATED = re.compile(r"[、；;\n]|(?<=公司)[，,]|(?<=某)[，,]")
_PERSON = re.compile(r"[\u4e00-\u9fff]某{1,2}[甲乙丙丁]?|[\u4e00-\u9fff·]{2,4}")
_BODY = re.compile(r".{3,}(?:公司|厂|店|部|行|社|院|所|中心|合作社|经营者|超市|馆|场)")
_PAIR = re.compile(r"\s*([^:：,，;；]{1,80}?)\s*[:：]\s*([0-9A-Za-zＸｘ*\-]*)\s*(?:[,，;；、]|$)")
_CODE_FIELDS = ("registration_number", "organisation_code", "tax_number", "institution_number", "society_number")
_RESIDENT_TYPES = frozenset(["resident_id", "temp_resident_id", "hkmotw_residence"])


def parties_of(values: dict[str, str], note: Note) -> tuple[PartyDraft, ...]:
    """Return the parties that a row's cleaned values name; none when it names none. Problems are noted."""
    listed = [*_listed(values.get("persons", ""), "person", note), *_listed(values.get("companies", ""), "org", note)]
    name = values.get("party_name", "")
    if not name:
        return tuple(listed)
    names = split_names(name)
    if len(names) > 1:
        note("party_name", "PARTIES_SPLIT", "；".join(names))
        return (*(_party(each, {}, note) for each in names), *listed)
    if "等" in name and _COLLECTIVE.search(name):
        note("party_name", "PARTY_COLLECTIVE")
    return (_party(name, values, note), *listed)


def split_names(text: str) -> tuple[str, ...]:
    """Return the names in one cell: several only when every part reads like the name of a person or a body."""
    if _SEPARATED.search(text) is None:
        return (text,)
    parts = tuple(part.strip() for part in _SEPARATED.split(text) if part.strip())
    each_is_name = all(_PERSON.fullmatch(part) or _BODY.fullmatch(part) for part in parts)
    return parts if len(parts) > 1 and each_is_name else (text,)


def _party(name: str, values: dict[str, str], note: Note) -> PartyDraft:
    """Return one party. Most rows have a name, a category and a code, and nothing to remark on."""
    codes: dict[str, str] = {}
    uscc = _uscc(values, codes, note) if "uscc" in values else ""
    document_type, number = _document(values, codes, note)
    for field in _CODE_FIELDS:
        if field in values and (code := _plain_code(field, values[field])):
            codes.setdefault(field, code)
    stated = read_party_category(values["party_category"]) if "party_category" in values else ""
    if not stated and "party_category" in values:
        note("party_category", "PARTY_CATEGORY_UNKNOWN")
    representative = values.get("legal_representative", "")
    likely = stated or likely_party_category(name, uscc, bool(number), bool(representative))
    return PartyDraft(
        name=name,
        category=likely,
        is_category_stated=bool(stated),
        uscc=uscc,
        id_document_type=document_type,
        id_document_number=number,
        legal_representative=representative,
        phone=values.get("phone", ""),
        address=values.get("address", ""),
        other_codes=codes,
    )


def _uscc(values: dict[str, str], codes: dict[str, str], note: Note) -> str:
    raw = values["uscc"]
    reading = read_uscc(raw)
    if reading.value or reading.state in {CodeState.BLANK, CodeState.PLACEHOLDER}:
        return reading.value
    if reading.state is CodeState.RUINED:
        note("uscc", "CODE_RUINED")
        return ""
    kind = kind_of_code(raw)
    if kind is not None:
        _move(kind, raw, values, codes)
        note("uscc", "CODE_MOVED", kind.value)
        return ""
    codes["uscc_as_written"] = raw
    reasons = {CodeState.MASKED: "CODE_MASKED", CodeState.CHECK_FAILED: "CODE_CHECK_FAILED"}
    note("uscc", reasons.get(reading.state, "CODE_NOT_RECOGNISED"), _proposal(reading))
    return ""


def _move(kind: CodeKind, raw: str, values: dict[str, str], codes: dict[str, str]) -> None:
    if kind is CodeKind.RESIDENT_ID:
        values.setdefault("resident_id", raw)
    elif kind is CodeKind.ORGANISATION:
        codes.setdefault("organisation_code", read_organisation_code(raw).value)
    else:
        codes.setdefault("registration_number", clean_text(raw))


def _proposal(reading: CodeReading) -> str:
    return f"或为 {reading.proposal}" if reading.proposal else ""


def _document(values: dict[str, str], codes: dict[str, str], note: Note) -> tuple[str, str]:
    """Return type and number of the identity document; a number of another type is taken without a check."""
    field = "id_document_number" if "id_document_number" in values else "resident_id"
    raw = values.get(field, "")
    if not raw or is_blank(raw, zero_is_blank=True):
        return "", ""
    stated = read_id_document_type(values.get("id_document_type", ""))
    if stated == "uscc" or (not stated and kind_of_code(raw) is CodeKind.USCC):
        codes.setdefault("uscc_as_written", raw)
        note(field, "CODE_MOVED", "uscc")
        return "", ""
    if stated and stated not in _RESIDENT_TYPES:
        return stated, "".join(clean_text(raw).split()).upper()
    return _resident(field, stated or "resident_id", raw, codes, note)


def _resident(field: str, document_type: str, raw: str, codes: dict[str, str], note: Note) -> tuple[str, str]:
    reading = read_resident_id(raw)
    if reading.value:
        if reading.note:
            note(field, "ID_UPGRADED")
        return document_type, reading.value
    if reading.state in {CodeState.BLANK, CodeState.PLACEHOLDER}:
        return "", ""
    codes["id_as_written"] = raw
    reasons = {
        CodeState.RUINED: "CODE_RUINED",
        CodeState.MASKED: "CODE_MASKED",
        CodeState.CHECK_FAILED: "ID_CHECK_FAILED",
    }
    note(field, reasons.get(reading.state, "CODE_NOT_RECOGNISED"), _proposal(reading))
    return "", ""


def _plain_code(field: str, raw: str) -> str:
    """Return a code of the older registers: taken as written, but for blanks and words for nothing."""
    if is_blank(raw, zero_is_blank=True):
        return ""
    if field == "organisation_code":
        reading = read_organisation_code(raw)
        return "" if reading.state is CodeState.PLACEHOLDER else reading.value or clean_text(raw)
    return "".join(clean_text(raw).lstrip("'").split())


def _listed(text: str, category: str, note: Note) -> list[PartyDraft]:
    """Return the parties of a list `姓名：证件号，姓名：证件号`, full-width or half-width marks; 无 for none."""
    if not text or is_blank(text, zero_is_blank=True):
        return []
    found, position = [], 0
    while (pair := _PAIR.match(text, position)) is not None:
        values = {("resident_id" if category == "person" else "uscc"): pair[2]} if pair[2] else {}
        found.append(
            _party(
                pair[1], {**values, "party_category": "自然人" if category == "person" else "法人及非法人组织"}, note
            )
        )
        position = pair.end()
    if position == 0:
        return [_party(text, {}, note)]
    if text[position:].strip():
        note("persons" if category == "person" else "companies", "CODE_NOT_RECOGNISED", text[position:][:40])
    return found
