"""A row's values as a case: what each field means in its layout, what follows from another field, what starts no case."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from liangfa_enforcement_record.importing.amounts import NOTHING_FOUND, amounts_in_words
from liangfa_enforcement_record.importing.drafts import CaseDraft, PartyDraft, SkipReason
from liangfa_enforcement_record.importing.layouts import Layout
from liangfa_enforcement_record.importing.parties import parties_of
from liangfa_enforcement_record.importing.row_values import RowValues
from liangfa_standards.blanks import is_blank
from liangfa_standards.codes import agency_type_of, read_case_source, read_penalty_categories, read_publicity_state
from liangfa_standards.divisions import division_in_name, region_code
from liangfa_standards.document_numbers import DocumentNumber, read_document_number
from liangfa_standards.identifiers import CodeState, read_uscc

_SHORT_FACTS = 15
_SHORT_CAUSE = 60
_CRIMINAL_LAW = re.compile(r"《?(?:中华人民共和国)?刑法》?第")
_AND = re.compile(r"[,，、;；\s]+")
_YES = frozenset(["1", "是", "true", "y", "yes", "已移送", "1.0"])
_NO = frozenset(["0", "否", "false", "n", "no", "未移送", "0.0", "无"])


def draft_of(
    values: RowValues, layout: Layout, received_on: date | None, names: tuple[str, ...], cells: tuple[str, ...]
) -> CaseDraft:
    """Return the draft of a row whose values are read; what is wrong or doubtful is noted in `values`."""
    texts = values.texts
    parties = parties_of(texts, values.note)
    if not parties:
        values.note("party_name", "PARTY_MISSING")
    number = _document_number(values)
    categories, other_penalties = _categories(values)
    content = texts.get("penalty_content", "")
    amounts = _amounts(values, content)
    decided_on, decided_text = values.decided(received_on) if layout.is_decided else (None, "")
    agency = texts.get("agency_name", "")
    agency_type = agency_type_of(agency) if agency else None
    return CaseDraft(
        row=values.row,
        parties=parties,
        cause=_cause(values, parties, layout),
        is_decided=layout.is_decided,
        case_name=texts.get("case_name", ""),
        case_number=texts.get("case_number", ""),
        facts=_facts(values),
        legal_basis=_basis(values),
        document_number=number.text,
        document_number_key=number.key,
        penalty_categories=categories,
        other_penalties=other_penalties,
        penalty_content=content,
        licence=" ".join(filter(None, (texts.get("licence"), texts.get("licence_number")))),
        decided_on=decided_on,
        decided_text=decided_text,
        valid_until=values.day("valid_until"),
        publicity_until=values.day("publicity_until"),
        published_on=values.day("published_on"),
        agency_name=agency,
        agency_uscc=_agency_code(values, "agency_uscc"),
        agency_type=agency_type.key if agency_type is not None else "",
        region_code=_region(values, agency),
        data_source_name=texts.get("data_source_name", ""),
        data_source_uscc=_agency_code(values, "data_source_uscc"),
        state=_state(values),
        case_source=_source(values),
        procedure=_procedure(texts.get("procedure", "")),
        occurred_on=values.day("occurred_on"),
        occurred_place=texts.get("occurred_place", ""),
        handlers=tuple(filter(None, _AND.split(texts["handlers"]))) if "handlers" in texts else (),
        transferred=_flag(texts.get("transferred", "")),
        transferred_on=values.day("transferred_on"),
        transferred_to=texts.get("transferred_to", ""),
        remarks=texts.get("remarks", ""),
        names=names,
        cells=cells,
        **amounts,
    )


def _amounts(values: RowValues, content: str) -> dict[str, Any]:
    """Return the draft's amounts: those that columns state, and those that only the decision's words suggest."""
    found = amounts_in_words(content) if content else NOTHING_FOUND
    fine = values.settled("fine", found.fine_yuan)
    confiscated = values.confiscated(found)
    total, involved = values.money("penalty_total"), values.money("amount_involved")
    suggested_fine = found.fine_yuan if fine is None else None
    suggested_confiscated = found.confiscated_yuan if confiscated is None else None
    if suggested_fine is not None or suggested_confiscated is not None:
        values.note("penalty_content", "MONEY_SUGGESTED")
    return {
        "fine_yuan": fine,
        "confiscated_yuan": confiscated,
        "penalty_total_yuan": total.yuan if total is not None else found.total_yuan,
        "suggested_fine_yuan": suggested_fine,
        "suggested_confiscated_yuan": suggested_confiscated,
        "amount_involved_yuan": involved.yuan if involved is not None else None,
    }


def _document_number(values: RowValues) -> DocumentNumber:
    number = read_document_number(values.texts.get("document_number", ""))
    if number.is_masked:
        values.note("document_number", "DOCUMENT_NUMBER_MASKED")
    if number.parts:
        values.note("document_number", "DOCUMENT_NUMBERS_SEVERAL", "；".join(number.parts))
    return number


def _cause(values: RowValues, parties: tuple[PartyDraft, ...], layout: Layout) -> str:
    """Return the cause: its column, else the name of the case without party and 案, else how the facts begin."""
    texts = values.texts
    if "cause" in texts:
        return texts["cause"]
    cause = _cause_in_name(texts.get("case_name", ""), parties)
    facts = texts.get("facts", "")
    if not cause and not facts:
        values.note("cause", "CAUSE_MISSING")
        return ""
    if not cause or not layout.facts_are_cause:
        values.note("cause", "CAUSE_DERIVED")
    return cause or _beginning(facts)


def _cause_in_name(name: str, parties: tuple[PartyDraft, ...]) -> str:
    """Return `销售假冒商品` of `武汉某公司销售假冒商品案`."""
    cause = name.removesuffix("案")
    for party in parties:
        cause = cause.removeprefix(party.name)
    return cause.removeprefix("关于").removeprefix("涉嫌").strip() or name


def _beginning(facts: str) -> str:
    if len(facts) <= _SHORT_CAUSE:
        return facts.rstrip("。")
    clause = re.split(r"[。；;\n]", facts, maxsplit=1)[0]
    return clause[:_SHORT_CAUSE]


def _facts(values: RowValues) -> str:
    facts = values.texts.get("facts", "")
    if 0 < len(facts) < _SHORT_FACTS:
        values.note("facts", "FACTS_SHORT")
    return facts


def _basis(values: RowValues) -> str:
    basis = values.texts.get("legal_basis", "")
    if "刑法" in basis and _CRIMINAL_LAW.search(basis):
        values.note("legal_basis", "CRIMINAL_LAW_CITED")
    return basis


def withdrawn(values: RowValues) -> SkipReason | None:
    """Return why a row starts no case: withdrawn, deleted at its source, or test data of the interface."""
    texts = values.texts
    if "state" in texts and read_publicity_state(texts["state"]) == "withdrawn":
        return SkipReason.WITHDRAWN
    if "cancel_reason" in texts or _flag(texts.get("cancelled", "")):
        return SkipReason.WITHDRAWN
    if texts.get("operation", "").lower() in {"d", "delete", "删除"}:
        return SkipReason.DELETED
    environment = texts.get("environment", "")
    return None if is_blank(environment, zero_is_blank=True) else SkipReason.TEST_DATA


def _categories(values: RowValues) -> tuple[tuple[str, ...], tuple[str, ...]]:
    text = values.texts.get("penalty_categories")
    if text is None:
        return (), ()
    found = read_penalty_categories(text)
    if found.unknown:
        values.note("penalty_categories", "CATEGORY_UNKNOWN", "；".join(found.unknown)[:100])
    if found.not_penalties:
        values.note("penalty_categories", "CATEGORY_NOT_A_PENALTY", "；".join(found.not_penalties))
    return found.keys, (*found.other_words, *found.not_penalties, *found.unknown)


def _agency_code(values: RowValues, field: str) -> str:
    text = values.texts.get(field)
    if text is None:
        return ""
    reading = read_uscc(text)
    if not reading.value and reading.state not in {CodeState.BLANK, CodeState.PLACEHOLDER}:
        values.note(field, "AGENCY_CODE_INVALID")
    return reading.value


def _region(values: RowValues, agency: str) -> str:
    stated = values.texts.get("region_code")
    if stated is not None:
        if code := region_code(stated):
            return code
        values.note("region_code", "REGION_UNKNOWN")
    place = division_in_name(agency) if agency else None
    return (place.code or place.city_code) if place is not None else ""


def _state(values: RowValues) -> str:
    text = values.texts.get("state")
    if text is None:
        return "normal"
    state = read_publicity_state(text)
    if state == "other" and text not in {"3", "其他"}:
        values.note("state", "STATE_UNKNOWN")
    return state


def _source(values: RowValues) -> int | None:
    text = values.texts.get("case_source")
    if text is None:
        return None
    source = read_case_source(text)
    if source is None:
        values.note("case_source", "CASE_SOURCE_UNKNOWN")
    return source


def _procedure(text: str) -> str:
    if not text:
        return ""
    if "简易" in text or text in {"01", "1"}:
        return "simple"
    return "general" if "一般" in text or "普通" in text or text in {"02", "2"} else ""


def _flag(text: str) -> bool | None:
    lowered = text.strip().lower()
    return True if lowered in _YES else False if lowered in _NO else None
