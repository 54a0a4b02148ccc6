"""Rows into drafts. Every row that has content ends as exactly one outcome: draft, rejected or skipped with a reason."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import chain, islice

from liangfa_enforcement_record.importing.amounts import NOTHING_FOUND, amounts_in_words
from liangfa_enforcement_record.importing.drafts import CaseDraft, OutcomeKind, PartyDraft, RowOutcome, SkipReason
from liangfa_enforcement_record.importing.headers import HEAD_ROWS, Header, find_header, header_for, repeats_header
from liangfa_enforcement_record.importing.layouts import BY_KEY, Layout
from liangfa_enforcement_record.importing.mapping import Mapping, MappingSuggestion, columns_of, suggest_mapping
from liangfa_enforcement_record.importing.parties import parties_of
from liangfa_enforcement_record.importing.row_values import RowValues, read_columns
from liangfa_enforcement_record.importing.tables import Row, Table
from liangfa_standards.blanks import is_blank
from liangfa_standards.codes import agency_type_of, read_case_source, read_penalty_categories, read_publicity_state
from liangfa_standards.divisions import division_in_name, region_code
from liangfa_standards.document_numbers import DocumentNumber, read_document_number
from liangfa_standards.identifiers import CodeState, read_uscc

_SAMPLE_ROWS = 50
_SHORT_FACTS = 15
_SHORT_CAUSE = 60
_TOTAL = re.compile(r"(?:本页|本年|全年|本月)?[合总小共累]\s*计[:：]?.{0,12}")
_NOTE = re.compile(
    r"(?:表格|填表|填报|数据)?说明|注\s*[:：]|备注\s*[:：]|填表|填报|制表|审核人|单位\s*[:：]|第.{1,4}页|共.{1,4}页|联系人|统计时间"
)
_TITLE = re.compile(r".{0,40}(?:表|公示|公告|一览|清单|信息|目录)(?:[（(].{1,20}[）)])?")
_CRIMINAL_LAW = re.compile(r"《?(?:中华人民共和国)?刑法》?第")
_AND = re.compile(r"[,，、;；\s]+")
_YES = frozenset(["1", "是", "true", "y", "yes", "已移送", "TRUE", "1.0"])
_NO = frozenset(["0", "否", "false", "n", "no", "未移送", "FALSE", "0.0", "无"])


def suggestion_for(table: Table) -> tuple[Header, MappingSuggestion]:
    """Return the header of a table and the mapping it suggests. Raises `TableRefused` when there is no header."""
    head = list(islice(table.rows(), HEAD_ROWS + _SAMPLE_ROWS))
    header = find_header(head)
    samples = [row.cells for row in head if row.number > header.last_row][:_SAMPLE_ROWS]
    return header, suggest_mapping(header, samples)


def read_drafts(table: Table, mapping: Mapping, *, received_on: date | None = None) -> Iterator[RowOutcome]:
    """Yield an outcome for every row of the table that has content, in order, title and header rows included.

    `received_on` (Beijing) is the day of the import: a decision dated later keeps its row aside. Raises `TableRefused`
    when the mapping does not fit the header, or where the file turns out to be damaged; rows before that are yielded.
    """
    rows = table.rows()
    head = list(islice(rows, HEAD_ROWS))
    header = header_for([column.header for column in mapping.columns], head)
    reader = RowReader(header, mapping, received_on)
    for row in chain(head, rows):
        yield reader.outcome(row)


class RowReader:
    """Reads rows under one header and mapping. Raises `TableRefused` HEADER_NOT_MAPPED when the two do not fit."""

    def __init__(self, header: Header, mapping: Mapping, received_on: date | None = None) -> None:
        self._header = header
        self._columns = read_columns(columns_of(mapping, header), header.names)
        self._layout: Layout = BY_KEY[mapping.layout]
        self._constants = mapping.constants
        self._received_on = received_on
        self._width = len(header.names)
        self._key_column = next((column for column in self._columns if header.names[column.index]), None)

    def outcome(self, row: Row) -> RowOutcome:
        """Return what becomes of a row. Never raises for what a row holds."""
        cells = row.cells
        skipped = self._skip(row)
        if skipped is not None:
            return self._outcome(row, OutcomeKind.SKIPPED, skipped=skipped)
        if (shape := self._misshapen(cells)) is not None:
            found = RowValues(row.number, cells, (), {})
            found.note("party_name", *shape)
            return self._outcome(row, OutcomeKind.REJECTED, values=found)
        values = RowValues(row.number, cells, self._columns, self._constants)
        skipped = _withdrawn(values)
        if skipped is not None:
            return self._outcome(row, OutcomeKind.SKIPPED, values=values, skipped=skipped)
        draft = self._draft(row, values)
        if any(problem.is_error for problem in values.problems):
            return self._outcome(row, OutcomeKind.REJECTED, values=values)
        return self._outcome(row, OutcomeKind.DRAFT, values=values, draft=draft)

    def _outcome(
        self,
        row: Row,
        kind: OutcomeKind,
        *,
        values: RowValues | None = None,
        draft: CaseDraft | None = None,
        skipped: SkipReason | None = None,
    ) -> RowOutcome:
        problems = tuple(values.problems) if values is not None else ()
        return RowOutcome(row.number, kind, tuple(row.cells), self._header.names, draft, problems, skipped)

    def _skip(self, row: Row) -> SkipReason | None:
        if row.number <= self._header.last_row:
            return SkipReason.HEADER if row.number >= self._header.first_row else SkipReason.TITLE
        cells = row.cells
        key = self._key_column
        # One comparison for the usual row: a repeated header has the header's text in the first mapped column.
        if key is not None and key.index < len(cells) and cells[key.index][:2] == key.header[:2]:
            if repeats_header(cells, self._header.names):
                return SkipReason.REPEATED_HEADER
        filled = [cell for cell in cells if cell and not cell.isspace()]
        if len(filled) > 8 or not filled:
            return None
        first = filled[0].strip()
        if _TOTAL.fullmatch(first):
            return SkipReason.TOTAL
        if len(filled) <= 2 and _NOTE.match(first):
            return SkipReason.NOTE
        return SkipReason.TITLE if len(filled) == 1 and _TITLE.fullmatch(first) else None

    def _misshapen(self, cells: Sequence[str]) -> tuple[str, str] | None:
        """Return what is wrong with the shape of a row: shifted cells, an open quotation mark, one lonely cell."""
        if len(cells) != self._width:
            if any(cell.count("\n") >= 2 and cell.count(",") >= self._width // 2 for cell in cells if len(cell) > 200):
                return "ROW_QUOTES_UNBALANCED", ""
            if len(cells) > self._width and any(cell and not cell.isspace() for cell in cells[self._width :]):
                return "ROW_TOO_WIDE", f"{len(cells)} > {self._width}"
        filled = sum(1 for cell in cells if cell and not cell.isspace())
        return ("ROW_INCOMPLETE", "") if filled == 1 and self._width > 1 else None

    def _draft(self, row: Row, values: RowValues) -> CaseDraft:
        texts = values.texts
        parties = parties_of(texts, values.note)
        if not parties:
            values.note("party_name", "PARTY_MISSING")
        number = self._document_number(values)
        categories, other_penalties = _categories(values)
        content = texts.get("penalty_content", "")
        found = amounts_in_words(content) if content else NOTHING_FOUND
        fine = values.settled("fine", found.fine_yuan)
        confiscated = values.confiscated(found)
        total = values.money("penalty_total")
        involved = values.money("amount_involved")
        decided_on, decided_text = values.decided(self._received_on) if self._layout.is_decided else (None, "")
        agency = texts.get("agency_name", "")
        agency_type = agency_type_of(agency) if agency else None
        suggested_fine = found.fine_yuan if fine is None else None
        suggested_confiscated = found.confiscated_yuan if confiscated is None else None
        if suggested_fine is not None or suggested_confiscated is not None:
            values.note("penalty_content", "MONEY_SUGGESTED")
        return CaseDraft(
            row=row.number,
            parties=parties,
            cause=self._cause(values, parties),
            is_decided=self._layout.is_decided,
            case_name=texts.get("case_name", ""),
            case_number=texts.get("case_number", ""),
            facts=_facts(values),
            legal_basis=_basis(values),
            document_number=number.text,
            document_number_key=number.key,
            penalty_categories=categories,
            other_penalties=other_penalties,
            penalty_content=content,
            fine_yuan=fine,
            confiscated_yuan=confiscated,
            penalty_total_yuan=total.yuan if total is not None else found.total_yuan,
            suggested_fine_yuan=suggested_fine,
            suggested_confiscated_yuan=suggested_confiscated,
            amount_involved_yuan=involved.yuan if involved is not None else None,
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
            raw=tuple((name, cell) for name, cell in zip(self._header.names, row.cells, strict=False) if cell),
        )

    def _document_number(self, values: RowValues) -> DocumentNumber:
        number = read_document_number(values.texts.get("document_number", ""))
        if number.is_masked:
            values.note("document_number", "DOCUMENT_NUMBER_MASKED")
        if number.parts:
            values.note("document_number", "DOCUMENT_NUMBERS_SEVERAL", "；".join(number.parts))
        return number

    def _cause(self, values: RowValues, parties: tuple[PartyDraft, ...]) -> str:
        """Return the cause: its column, else the name of the case without party and 案, else how the facts begin."""
        texts = values.texts
        if "cause" in texts:
            return texts["cause"]
        cause = _cause_in_name(texts.get("case_name", ""), parties)
        facts = texts.get("facts", "")
        if not cause and not facts:
            values.note("cause", "CAUSE_MISSING")
            return ""
        if not cause or not self._layout.facts_are_cause:
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


def _withdrawn(values: RowValues) -> SkipReason | None:
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
