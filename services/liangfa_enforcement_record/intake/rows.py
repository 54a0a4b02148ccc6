"""A row in; a complete case, or the problems that keep it aside, out. No row is lost: each ends as exactly one outcome."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from liangfa_enforcement_record.intake.layouts import WAN, YUAN
from liangfa_enforcement_record.intake.mapping import Mapping
from liangfa_enforcement_record.intake.parties import party_of
from liangfa_enforcement_record.intake.problems import Problem, problem
from liangfa_enforcement_record.intake.tables import TableRow
from liangfa_enforcement_record.validation import MAX_NARRATIVE, MAX_TEXT
from liangfa_protos.enforcement_record.v1 import case_pb2 as pb
from liangfa_standards.blanks import is_blank
from liangfa_standards.codes import read_penalty_categories, read_publicity_state
from liangfa_standards.dates import DateRemark, Precision, read_date
from liangfa_standards.document_numbers import read_document_number
from liangfa_standards.money import MoneyUnit, money_text, read_money
from liangfa_standards.texts import clean_name, clean_text

_NOTES = ("表格说明", "填表说明", "合计", "总计", "小计", "备注：", "注：", "说明：")
_SHORT_CAUSE = 60
_UNITS = {WAN: MoneyUnit.WAN, YUAN: MoneyUnit.YUAN}
_NO_DATE = frozenset({DateRemark.BLANK, DateRemark.OPEN_ENDED, DateRemark.PLACEHOLDER})
_NUMBER = r"([\d,.]+|[零〇一二三四五六七八九十百千万亿两壹贰叁肆伍陆柒捌玖拾佰仟]+)(万?)元"
_FINE = re.compile(rf"罚款(?:人民币)?{_NUMBER}")
_CONFISCATED = re.compile(rf"没收(?:其)?(?:[^，,；;。\d]{{0,14}}(?:违法所得|非法所得))?(?:人民币|共计)?{_NUMBER}")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A row that is a case: complete but for what the record itself adds. `row` counts as a spreadsheet does.

    `natural_key` makes the same case the same: deciding body, document number and party, or the content's fingerprint
    where there is no number. `row_hash` tells a revised row from a repeated one.
    """

    row: int
    case: pb.Case
    natural_key: str
    row_hash: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row: `prepared`, or kept aside with `problems`, or `skipped` with why. Never two of them."""

    row: int
    values: Sequence[tuple[str, str]]
    prepared: Prepared | None = None
    problems: tuple[Problem, ...] = ()
    skipped: str = ""


def read_rows(rows: Iterable[TableRow], mapping: Mapping) -> Iterator[Outcome]:
    """Yield an outcome for every row below the header; blank rows are no rows."""
    for row in rows:
        if row.number > mapping.header_row and any(cell and not cell.isspace() for cell in row.cells):
            yield read_row(row, mapping)


def read_row(row: TableRow, mapping: Mapping) -> Outcome:
    """Return the outcome of one row."""
    values = [(header, cell) for header, cell in zip(mapping.headers, row.cells, strict=False) if header or cell]
    reason = _skipped(row, mapping)
    if reason:
        return Outcome(row.number, values, skipped=reason)
    reader = _Reader(row, mapping)
    case = reader.case()
    errors = tuple(found for found in reader.problems if found.is_error)
    if errors:
        return Outcome(row.number, values, problems=tuple(reader.problems))
    if read_publicity_state(reader.raw("state")) == "withdrawn":
        return Outcome(row.number, values, skipped="WITHDRAWN")
    return Outcome(row.number, values, _prepared(row.number, case), tuple(reader.problems))


def _skipped(row: TableRow, mapping: Mapping) -> str:
    """Return why a row holds no case: a note, a total, the header again; empty when it may hold one."""
    first = next((cell.strip() for cell in row.cells if cell.strip()), "")
    if first.startswith(_NOTES):
        return "NOTE_OR_TOTAL"
    same = sum(cell.strip() == header for cell, header in zip(row.cells, mapping.headers, strict=False) if header)
    if same >= 3 and same >= len([header for header in mapping.headers if header]) // 2:
        return "REPEATED_HEADER"
    return ""


class _Reader:
    """Reads one row's fields; what is doubtful or wrong is noted with its column and value."""

    def __init__(self, row: TableRow, mapping: Mapping) -> None:
        self._cells = {
            column.field: (header, cell, column.unit)
            for header, column, cell in zip(mapping.headers, mapping.columns, row.cells, strict=False)
            if column is not None
        }
        self.problems: list[Problem] = []

    def raw(self, field: str) -> str:
        """Return a field's cell as it stands."""
        return self._cells.get(field, ("", "", ""))[1]

    def text(self, field: str) -> str:
        """Return a field's text, cleaned; words for nothing count as empty."""
        cell = self.raw(field)
        if not cell or is_blank(cell):
            return ""
        return clean_text(cell)

    def note(self, field: str, reason: str) -> None:
        """Note a problem of a field."""
        header, cell, _unit = self._cells.get(field, (field, "", ""))
        self.problems.append(problem(reason, header, cell))

    def case(self) -> pb.Case:
        """Return the row as a case."""
        narrative, cause = self._facts()
        case = pb.Case(
            title=self.text("title"),
            cause=cause,
            narrative=narrative,
            legal_basis=self._bounded("legal_basis", MAX_TEXT),
            case_number=self.text("case_number"),
            amount_yuan=self._money("amount"),
            occurred_on=self._date("occurred_on"),
            handlers=[part for part in re.split(r"[,，、\s]+", self.text("handlers")) if part],
            procedure=pb.PROCEDURE_GENERAL,
            parties=[party_of(self)],
            stage=pb.STAGE_DECIDED,
        )
        self._decide(case)
        if not case.title:
            name = case.parties[0].name
            case.title = f"{name}{cause}案" if not cause.endswith("案") else f"{name}{cause}"
        return case

    def _facts(self) -> tuple[str, str]:
        """Return narrative and cause. In the 2016 layout 处罚事由 is what there is: it tells the facts, the title the cause."""
        narrative, cause = self._bounded("narrative", MAX_NARRATIVE), self.text("cause")
        reason, title = self.text("reason"), self.text("title")
        if not narrative and reason:
            narrative = reason
        if not cause:
            cause = title.removesuffix("案") or (reason if len(reason) <= _SHORT_CAUSE else "")
        if not cause and narrative:
            cause = narrative[:_SHORT_CAUSE]
            self.note("narrative", "CAUSE_TAKEN_FROM_FACTS")
        if not cause:
            self.note("cause" if "cause" in self._cells else "title", "CAUSE_MISSING")
        return narrative, cause[:500]

    def _bounded(self, field: str, most: int) -> str:
        text = self.text(field)
        if len(text) > most:
            self.note(field, "TEXT_TOO_LONG")
        if "\ufffd" in text:
            self.note(field, "TEXT_DAMAGED")
        return text[:most]

    def _decide(self, case: pb.Case) -> None:
        decision = pb.Decision(
            document_number=self._document_number(),
            decided_on=self._date("decided_on"),
            categories=self._categories(),
            content=self._bounded("content", MAX_TEXT),
            fine_yuan=self._money("fine"),
            confiscated_yuan=self._money("confiscated"),
            licence=self.text("licence"),
            legal_basis=case.legal_basis,
            valid_until=self._date("valid_until"),
            published_until=self._date("published_until"),
            decided_by=clean_name(self.text("decided_by")),
        )
        if not decision.fine_yuan:
            decision.fine_yuan = self._from_content(_FINE, "FINE_TAKEN_FROM_CONTENT", decision.content)
        if not decision.confiscated_yuan:
            confiscated = self._from_content(_CONFISCATED, "CONFISCATION_TAKEN_FROM_CONTENT", decision.content)
            decision.confiscated_yuan = confiscated
        case.decision.CopyFrom(decision)

    def _document_number(self) -> str:
        cell = self.raw("document_number")
        if not cell or is_blank(cell):
            return ""
        return read_document_number(cell).text[:128]

    def _categories(self) -> list[str]:
        found = [read_penalty_categories(self.raw(field)) for field in ("category", "category2")]
        return list(dict.fromkeys(key for reading in found for key in reading.keys))

    def _from_content(self, pattern: re.Pattern[str], reason: str, content: str) -> str:
        """Return the one amount that the decision's words state, noted as a suggestion; nothing when there are several."""
        found = pattern.findall(content)
        reading = read_money(f"{found[0][0]}{found[0][1]}元") if len(found) == 1 else None
        if reading is None or reading.yuan is None:
            return ""
        self.note("content", reason)
        return money_text(reading.yuan)

    def _money(self, field: str) -> str:
        header, cell, unit = self._cells.get(field, ("", "", ""))
        if not cell or is_blank(cell):
            return ""
        reading = read_money(cell, _UNITS.get(unit))
        if reading.yuan is None or reading.yuan < 0 or reading.yuan > Decimal(10) ** 13:
            self.problems.append(problem("AMOUNT_UNREADABLE", header, cell))
            return ""
        if reading.confidence < 0.5:
            self.problems.append(problem("AMOUNT_DOUBTFUL", header, cell))
        return money_text(reading.yuan)

    def _date(self, field: str) -> str:
        """Return a date as ISO text, in full or as much of it as the cell tells; what is no date keeps the row aside."""
        header, cell, _unit = self._cells.get(field, ("", "", ""))
        if not cell or is_blank(cell, zero_is_blank=True):
            return ""
        reading = read_date(cell)
        if reading.value is not None and 1949 <= reading.value.year <= 2100:
            return _partial(reading.value.isoformat(), reading.precision)
        if reading.earliest is not None:
            return _partial(reading.earliest.isoformat(), reading.precision)
        if reading.remark is DateRemark.YEAR_MISSING:
            self.problems.append(problem("DATE_DOUBTFUL", header, cell))
            return ""
        if reading.remark in _NO_DATE:
            return ""
        is_needed = field == "decided_on"
        self.problems.append(problem("DATE_UNREADABLE" if is_needed else "DATE_DOUBTFUL", header, cell))
        return ""


def _partial(text: str, precision: Precision) -> str:
    return {"year": text[:4], "month": text[:7]}.get(str(precision).lower(), text)


def _prepared(number: int, case: pb.Case) -> Prepared:
    decision, party = case.decision, case.parties[0]
    identity = party.uscc or party.id_document_number or party.name
    body = decision.decided_by or "-"
    content = f"{case.cause}|{case.narrative}|{decision.content}|{decision.fine_yuan}|{decision.decided_on}|{identity}"
    fingerprint = hashlib.sha256(content.encode()).hexdigest()
    numbered = f"{body}|{decision.document_number}|{identity}"
    key = numbered if decision.document_number else f"{body}||{identity}|{fingerprint[:32]}"
    return Prepared(number, case, hashlib.sha256(key.encode()).hexdigest()[:40], fingerprint[:40])
