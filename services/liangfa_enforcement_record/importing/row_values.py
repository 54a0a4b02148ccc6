"""The values of one row by field: cleaned, bounded, joined where several columns fill one field; problems noted beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as with_default
from datetime import date
from decimal import Decimal

from liangfa_enforcement_record.importing.amounts import AmountsFound
from liangfa_enforcement_record.importing.fields import FIELDS, Kind
from liangfa_enforcement_record.importing.mapping import MappedColumn
from liangfa_enforcement_record.importing.problems import Problem, problem
from liangfa_standards.blanks import is_blank
from liangfa_standards.dates import DateReading, DateRemark, Precision, read_date
from liangfa_standards.money import MoneyReading, MoneyRemark, MoneyUnit, read_money
from liangfa_standards.texts import REPLACEMENT, clean_name, clean_text, has_control_characters

_GUARDED = frozenset("=+-@＝＋－＠")
MAX_CHARACTERS = {"facts": 100_000, "cause": 500, "case_name": 500, "document_number": 128, "case_number": 100}
_MAX_TEXT, _MAX_NAME, _MAX_CODE = 20_000, 200, 200
_CUT_LENGTHS = frozenset([72, 100, 255, 256, 500, 512, 1000, 1024, 2000, 2048, 4000, 4096])
_SENTENCE_ENDS = frozenset("。；;.）)》”!！？?”…")
_CUT_FIELDS = frozenset(["facts", "legal_basis", "penalty_content", "case_name"])
_JOINED = {"penalty_categories": ";", "remarks": "；", "licence": " ", "address": " "}
_MONEY_QUIET = frozenset([None, MoneyRemark.BLANK, MoneyRemark.UNIT_IN_CELL, MoneyRemark.UNIT_DOUBTFUL])
"""Remarks that are no problem by themselves; a doubtful unit is held against the words of the decision first."""
_DATE_QUIET = frozenset([None, DateRemark.BLANK, DateRemark.OPEN_ENDED, DateRemark.PLACEHOLDER])


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """A column that is read: where it is, what it is called in the file, what it is."""

    index: int
    header: str
    field: str
    kind: Kind
    unit: MoneyUnit | None
    most: int
    memory: dict[str, str] = with_default(default_factory=dict)
    """Cells met before and what they say; bounded."""


_REMEMBERED_LENGTH, _REMEMBERED = 80, 4096


def read_columns(columns: Sequence[tuple[int, MappedColumn]], names: Sequence[str]) -> list[ReadColumn]:
    """Return the columns to read, with what is known of their fields; unused ones are left out."""
    found = []
    for index, column in columns:
        kind = FIELDS[column.field].kind
        most = {Kind.NAME: _MAX_NAME, Kind.TEXT: _MAX_TEXT}.get(kind, _MAX_CODE)
        if kind is not Kind.UNUSED:
            most = MAX_CHARACTERS.get(column.field, most)
            found.append(ReadColumn(index, names[index], column.field, kind, column.unit, most))
    return found


def by_field(columns: Sequence[ReadColumn]) -> dict[str, list[ReadColumn]]:
    """Return the columns that fill each field, in their order of precedence."""
    found: dict[str, list[ReadColumn]] = {}
    for column in columns:
        found.setdefault(column.field, []).append(column)
    return found


class RowValues:
    """One row as it is read. `texts` holds the cleaned text of every field that says something."""

    __slots__ = ("_by_field", "_cells", "problems", "row", "texts")

    def __init__(
        self,
        row: int,
        cells: Sequence[str],
        columns: Sequence[ReadColumn],
        columns_by_field: dict[str, list[ReadColumn]],
        constants: dict[str, str],
    ) -> None:
        self.row = row
        self.problems: list[Problem] = []
        self.texts: dict[str, str] = {}
        self._cells = cells
        self._by_field = columns_by_field
        width = len(cells)
        for column in columns:
            cell = cells[column.index] if column.index < width else ""
            if cell:
                value = column.memory.get(cell)
                if value is None:
                    value = self._read(column, cell)
                if value:
                    self._set(column.field, value)
        for name, value in constants.items():
            self.texts.setdefault(name, value)

    def _read(self, column: ReadColumn, cell: str) -> str:
        """Return what a cell says, empty for nothing. Short cells without a problem are remembered: columns repeat themselves."""
        before = len(self.problems)
        value = self._cleaned(column, cell)
        if len(cell) <= _REMEMBERED_LENGTH and len(self.problems) == before and len(column.memory) < _REMEMBERED:
            column.memory[cell] = value
        return value

    def _cleaned(self, column: ReadColumn, cell: str) -> str:
        kind = column.kind
        if kind is Kind.TEXT:
            value = clean_text(cell)
        elif kind is Kind.NAME:
            value = clean_name(cell)
        else:
            value = cell.strip()
        if not value or is_blank(value, zero_is_blank=kind is not Kind.MONEY and kind is not Kind.FLAG):
            return ""
        if value[0] in "'=":
            value = self._unescaped(column, value)
        if len(value) > column.most:
            self._note(column, cell, "TEXT_TOO_LONG", f"{len(value)} > {column.most}")
            return value[: column.most]
        if (kind is Kind.TEXT or kind is Kind.NAME) and (value is not cell or REPLACEMENT in value):
            self._look_at(column, cell, value)
        if len(value) in _CUT_LENGTHS and column.field in _CUT_FIELDS and value[-1] not in _SENTENCE_ENDS:
            self._note(column, cell, "TEXT_PROBABLY_CUT", str(len(value)))
        return value

    def _set(self, field: str, value: str) -> None:
        known = self.texts.get(field)
        if known is None:
            self.texts[field] = value
        elif field in _JOINED and value != known:
            self.texts[field] = f"{known}{_JOINED[field]}{value}"

    def _column(self, field: str) -> ReadColumn | None:
        """Return the column that fills the field: the first one that is not blank in this row."""
        columns = self._by_field.get(field, ())
        filled = (c for c in columns if c.index < len(self._cells) and not is_blank(self._cells[c.index]))
        return next(filled, None) or next(iter(columns), None)

    def _unescaped(self, column: ReadColumn, value: str) -> str:
        """Take off the apostrophe with which exports keep a cell from being computed; a formula stays as text."""
        if value[0] == "'":
            return value[1:] if value[1:2] in _GUARDED or value[1:2].isdigit() else value
        if column.kind in {Kind.TEXT, Kind.NAME}:
            self._note(column, value, "FORMULA_AS_TEXT")
        return value

    def _look_at(self, column: ReadColumn, cell: str, value: str) -> None:
        if REPLACEMENT in value:
            reason = "PARTY_NAME_DAMAGED" if column.field == "party_name" else "TEXT_DAMAGED"
            self._note(column, cell, reason)
        if has_control_characters(cell):
            self._note(column, cell, "CONTROL_CHARACTERS_REMOVED")

    def _note(self, column: ReadColumn, cell: str, reason: str, detail: str = "") -> None:
        self.problems.append(problem(self.row, column.header, cell, reason, detail))

    def note(self, field: str, reason: str, detail: str = "") -> None:
        """Note a problem of a field, with its column and cell as they stand in the file."""
        column = self._column(field)
        if column is None:
            self.problems.append(problem(self.row, FIELDS[field].title, self.texts.get(field, ""), reason, detail))
        else:
            cell = self._cells[column.index] if column.index < len(self._cells) else ""
            self._note(column, cell, reason, detail)

    def day(self, field: str) -> date | None:
        """Return a date that only informs: one that cannot be read is left out with a warning."""
        text = self.texts.get(field)
        if text is None:
            return None
        reading = read_date(text)
        if reading.value is None and reading.remark not in _DATE_QUIET:
            self.note(field, "DATE_IGNORED")
        return reading.value

    def decided(self, received_on: date | None) -> tuple[date | None, str]:
        """Return the day of the decision and what is known of it as text; a wrong one keeps the row aside."""
        text = self.texts.get("decided_on")
        reading = read_date(text) if text is not None else _NO_DATE
        if reading.value is None and reading.remark in _DATE_QUIET:
            self.note("decided_on", "DATE_MISSING")
        elif reading.remark is not None:
            self.note("decided_on", reading.remark.value)
        if received_on is not None and reading.earliest is not None and reading.earliest > received_on:
            self.note("decided_on", "DATE_IN_FUTURE")
        return reading.value, _partial(reading)

    def money(self, field: str) -> MoneyReading | None:
        """Return an amount with its remarks noted, or None when the field says nothing or nothing usable."""
        text = self.texts.get(field)
        if text is None:
            return None
        columns = self._by_field.get(field)
        column = self._column(field) if columns and len(columns) > 1 else columns[0] if columns else None
        reading = read_money(text, column.unit if column is not None else FIELDS[field].unit)
        if reading.remark not in _MONEY_QUIET:
            self.note(field, str(reading.remark))
        return reading if reading.yuan is not None else None

    def settled(self, field: str, found: Decimal | None) -> Decimal | None:
        """Return a penalty amount held against the one in the words of the decision, which may settle a doubtful unit."""
        reading = self.money(field)
        if reading is None or reading.yuan is None:
            return None
        yuan = reading.yuan
        if found is not None and found != yuan:
            if found in {yuan * 10_000, yuan / 10_000}:
                self.note(field, "MONEY_UNIT_SETTLED", f"{found} 元")
                return found
            self.note(field, "MONEY_CONFLICT", f"{found} 元")
        elif found is None and reading.remark is MoneyRemark.UNIT_DOUBTFUL:
            self.note(field, "MONEY_UNIT_DOUBTFUL")
        return yuan

    def confiscated(self, found: AmountsFound) -> Decimal | None:
        """Return what was confiscated: the column for both, or the sum of those for income and goods."""
        if "confiscated" in self.texts:
            return self.settled("confiscated", found.confiscated_yuan)
        parts = [self.money(field) for field in ("confiscated_income", "confiscated_goods")]
        amounts = [reading.yuan for reading in parts if reading is not None and reading.yuan is not None]
        return sum(amounts, Decimal(0)) if amounts else None


_NO_DATE = DateReading("", remark=DateRemark.BLANK)


def _partial(reading: DateReading) -> str:
    """Return what is known of a date in ISO form: a day, a month or a year."""
    if reading.earliest is None:
        return ""
    text = reading.earliest.isoformat()
    return {Precision.MONTH: text[:7], Precision.YEAR: text[:4]}.get(reading.precision, text)
