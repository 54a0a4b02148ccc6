"""Rows into drafts. Every row that has content ends as exactly one outcome: draft, rejected or skipped with a reason."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import chain, islice

from liangfa_enforcement_record.importing.case_values import draft_of, withdrawn
from liangfa_enforcement_record.importing.drafts import CaseDraft, OutcomeKind, RowOutcome, SkipReason
from liangfa_enforcement_record.importing.headers import HEAD_ROWS, Header, find_header, header_for, repeats_header
from liangfa_enforcement_record.importing.layouts import BY_KEY, Layout
from liangfa_enforcement_record.importing.mapping import Mapping, MappingSuggestion, columns_of, suggest_mapping
from liangfa_enforcement_record.importing.row_values import RowValues, by_field, read_columns
from liangfa_enforcement_record.importing.tables import Row, Table

_SAMPLE_ROWS = 50
_TOTAL = re.compile(r"(?:本页|本年|全年|本月)?[合总小共累]\s*计[:：]?.{0,12}")
_NOTE = re.compile(
    r"(?:表格|填表|填报|数据)?说明|注\s*[:：]|备注\s*[:：]|填表|填报|制表|审核人|单位\s*[:：]|第.{1,4}页|共.{1,4}页|联系人|统计时间"
)
_TITLE = re.compile(r".{0,40}(?:表|公示|公告|一览|清单|信息|目录)(?:[（(].{1,20}[）)])?")


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
        self._by_field = by_field(self._columns)
        self._key_column = next((column for column in self._columns if header.names[column.index]), None)

    def outcome(self, row: Row) -> RowOutcome:
        """Return what becomes of a row. Never raises for what a row holds."""
        cells = tuple(row.cells)
        skipped = self._skip(row)
        if skipped is not None:
            return self._outcome(row.number, cells, OutcomeKind.SKIPPED, skipped=skipped)
        if (shape := self._misshapen(cells)) is not None:
            found = RowValues(row.number, cells, (), {}, {})
            found.note("party_name", *shape)
            return self._outcome(row.number, cells, OutcomeKind.REJECTED, values=found)
        values = RowValues(row.number, cells, self._columns, self._by_field, self._constants)
        skipped = withdrawn(values)
        if skipped is not None:
            return self._outcome(row.number, cells, OutcomeKind.SKIPPED, values=values, skipped=skipped)
        draft = draft_of(values, self._layout, self._received_on, self._header.names, cells)
        if any(problem.is_error for problem in values.problems):
            return self._outcome(row.number, cells, OutcomeKind.REJECTED, values=values)
        return self._outcome(row.number, cells, OutcomeKind.DRAFT, values=values, draft=draft)

    def _outcome(
        self,
        number: int,
        cells: tuple[str, ...],
        kind: OutcomeKind,
        *,
        values: RowValues | None = None,
        draft: CaseDraft | None = None,
        skipped: SkipReason | None = None,
    ) -> RowOutcome:
        problems = tuple(values.problems) if values is not None else ()
        return RowOutcome(number, kind, cells, self._header.names, draft, problems, skipped)

    def _skip(self, row: Row) -> SkipReason | None:
        if row.number <= self._header.last_row:
            return SkipReason.HEADER if row.number >= self._header.first_row else SkipReason.TITLE
        cells = row.cells
        key = self._key_column
        # One comparison for the usual row: a repeated header has the header's text in the first mapped column.
        looks_alike = key is not None and key.index < len(cells) and cells[key.index][:2] == key.header[:2]
        if looks_alike and repeats_header(cells, self._header.names):
            return SkipReason.REPEATED_HEADER
        if len(list(filter(None, cells))) > 8:
            return None
        filled = [cell for cell in cells if cell and not cell.isspace()]
        if not filled:
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
        is_lonely = len(list(filter(str.strip, filter(None, cells)))) == 1 and self._width > 1
        return ("ROW_INCOMPLETE", "") if is_lonely else None
