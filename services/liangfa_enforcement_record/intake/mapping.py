"""Which column is which field: found in the table's head, suggested with a confidence, confirmed by a person as YAML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import yaml

from liangfa_enforcement_record.intake import refusals
from liangfa_enforcement_record.intake.layouts import FIELDS, WAN, YUAN, Column, column_of, layout_of
from liangfa_enforcement_record.intake.tables import TableRow
from liangfa_kit.errors import Invalid
from liangfa_standards.dates import read_date
from liangfa_standards.identifiers import is_valid_uscc

_HEAD_ROWS = 12
_LEAST_KNOWN = 3


@dataclass(frozen=True, slots=True)
class Mapping:
    """The columns of a table by index, and the headers as they stand in the file."""

    headers: tuple[str, ...]
    columns: tuple[Column | None, ...]
    header_row: int
    layout: str = ""

    @property
    def fields(self) -> set[str]:
        """The fields that the table has."""
        return {column.field for column in self.columns if column}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What one column seems to be, how sure that is (0 to 1), and why."""

    header: str
    column: Column | None
    confidence: float
    reason: str


def find_mapping(rows: Sequence[TableRow]) -> Mapping | None:
    """Return the mapping of the header row among the first `rows`; None when no row looks like one.

    Title lines and merged group headers above are passed over: the row with most known headers is the header.
    """
    best: tuple[int, TableRow] | None = None
    for row in rows[:_HEAD_ROWS]:
        known = len({column.field for cell in row.cells if (column := column_of(cell))})
        if known >= _LEAST_KNOWN and (best is None or known > best[0]):
            best = (known, row)
    if best is None:
        return None
    row = best[1]
    columns = _without_repeats([column_of(cell) for cell in row.cells])
    fields = {column.field for column in columns if column}
    headers = tuple(cell.strip() for cell in row.cells)
    return Mapping(headers, tuple(columns), row.number, layout_of(fields, list(headers)))


def _without_repeats(columns: list[Column | None]) -> list[Column | None]:
    seen: set[str] = set()
    kept: list[Column | None] = []
    for column in columns:
        repeated = column is not None and column.field in seen
        kept.append(None if repeated else column)
        if column is not None:
            seen.add(column.field)
    return kept


def head_of(rows: Iterable[TableRow]) -> list[TableRow]:
    """Return the first rows of a table, enough to find its header."""
    return list(islice(rows, _HEAD_ROWS + 20))


def suggest(head: Sequence[TableRow]) -> tuple[Mapping, list[Suggestion]]:
    """Propose a mapping for a table from its first rows. Raises `TableUnreadable` when there is no row of texts."""
    found = find_mapping(head)
    header = next((r for r in head if found and r.number == found.header_row), None) or _widest(head)
    samples = [row.cells for row in head if row.number > header.number]
    suggestions = [_suggestion(i, cell, samples) for i, cell in enumerate(header.cells)]
    columns = _without_repeats([suggestion.column for suggestion in suggestions])
    mapping = Mapping(
        tuple(cell.strip() for cell in header.cells), tuple(columns), header.number, found.layout if found else ""
    )
    return mapping, suggestions


def _widest(head: Sequence[TableRow]) -> TableRow:
    rows = [row for row in head if any(cell.strip() for cell in row.cells)]
    if not rows:
        raise refusals.empty()
    return max(rows[:5], key=lambda row: sum(bool(cell.strip()) for cell in row.cells))


def _suggestion(index: int, header: str, samples: Sequence[Sequence[str]]) -> Suggestion:
    column = column_of(header)
    if column is not None:
        return Suggestion(header.strip(), column, 0.95, "header")
    values = [cells[index].strip() for cells in samples if index < len(cells) and cells[index].strip()]
    if values and all(is_valid_uscc(value) for value in values):
        return Suggestion(header.strip(), Column("uscc"), 0.8, "values pass the check digits of 统一社会信用代码")
    if values and all(read_date(value).value for value in values):
        return Suggestion(header.strip(), Column("decided_on"), 0.4, "values are dates")
    if values and sum(map(len, values)) / len(values) > 40:
        return Suggestion(header.strip(), Column("narrative"), 0.4, "values are long texts")
    return Suggestion(header.strip(), None, 0.0, "not recognised: left out")


def to_yaml(mapping: Mapping) -> str:
    """Return the mapping as the file that a person confirms or edits."""
    columns = {
        header or f"#{number + 1}": {"field": column.field, **({"unit": column.unit} if column.unit else {})}
        for number, (header, column) in enumerate(zip(mapping.headers, mapping.columns, strict=True))
        if column is not None
    }
    data = {"header_row": mapping.header_row, "columns": columns}
    text: str = yaml.safe_dump(data, allow_unicode=True, sort_keys=False)
    return (
        "# 列对应关系：请核对后随文件一并提交。\n# Which column is which field: check, correct, and send it with the file.\n"
        + text
    )


def from_yaml(text: str, head: Sequence[TableRow]) -> Mapping:
    """Return a confirmed mapping for the table whose first rows are `head`. Raises `Invalid` with what is wrong."""
    try:
        data = yaml.safe_load(text)
        header_row, wanted = int(data["header_row"]), dict(data["columns"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise _refused(f"it needs header_row and columns ({type(error).__name__})") from error
    row = next((row for row in head if row.number == header_row), None)
    if row is None:
        raise _refused(f"the table has no row {header_row} near its beginning")
    headers = tuple(cell.strip() for cell in row.cells)
    missing = [name for name in wanted if name not in headers and not str(name).startswith("#")]
    if missing:
        raise _refused(f"the table has no column {missing[0]!r}")
    columns = tuple(_confirmed(wanted.get(header) or wanted.get(f"#{i + 1}")) for i, header in enumerate(headers))
    return Mapping(headers, columns, header_row)


def _confirmed(entry: object) -> Column | None:
    if entry is None:
        return None
    field = entry.get("field") if isinstance(entry, dict) else entry
    unit = entry.get("unit", "") if isinstance(entry, dict) else ""
    if field not in FIELDS:
        raise _refused(f"{field!r} is not a field; fields are {', '.join(sorted(FIELDS))}")
    if unit not in {"", WAN, YUAN}:
        raise _refused(f"{unit!r} is not a unit; units are 万元 and 元")
    return Column(str(field), unit)


def _refused(detail: str) -> Invalid:
    return Invalid(
        f"The mapping cannot be used: {detail}.",
        message_zh=f"列对应关系文件无法使用：{detail}。",
        remedy="Ask for a suggested mapping again and edit only field names and units.",
        reason="MAPPING_UNUSABLE",
    )
