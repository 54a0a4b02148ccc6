"""Files for the tests of importing, made in memory."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from openpyxl import Workbook

from liangfa_enforcement_record.importing import RowOutcome, open_table, read_drafts
from liangfa_enforcement_record.importing.rows import suggestion_for

NAMES = (
    "行政相对人名称",
    "行政处罚决定书文号",
    "违法行为类型",
    "违法事实",
    "处罚内容",
    "罚款金额（万元）",
    "处罚决定日期",
    "处罚机关",
)
CASE = (
    "武汉甲商贸有限公司",
    "洪市监处罚〔2017〕12号",
    "销售假冒商品",
    "现场查获假冒服装120件，货值5479元。",
    "罚款2万元",
    "2",
    "2017-01-08",
    "武汉市洪山区市场监督管理局",
)

DATA = Path(__file__).parents[3] / "data"
LAYOUTS_AS_WRITTEN: dict[str, list[str]] = yaml.safe_load((DATA / "tables/layouts.yaml").read_text(encoding="utf-8"))
"""Headers of the known layouts as agencies write them."""


def row_of(**changes: str) -> tuple[str, ...]:
    """Return the usual row with some cells changed, by header."""
    return tuple(changes.get(name.partition("（")[0], cell) for name, cell in zip(NAMES, CASE, strict=True))


def csv_bytes(rows: Sequence[Sequence[str]], *, encoding: str = "utf-8", delimiter: str = ",") -> bytes:
    """Return rows as CSV."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter).writerows(rows)
    return buffer.getvalue().encode(encoding)


def xlsx_bytes(*sheets: tuple[str, Sequence[Sequence[Any]]]) -> bytes:
    """Return sheets of rows as XLSX."""
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def with_member(content: bytes, member: str, data: bytes) -> bytes:
    """Return a zip file with one member replaced or added."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name != member:
                new.writestr(name, old.read(name))
        new.writestr(member, data)
    return buffer.getvalue()


def cells_of(content: bytes) -> list[list[str]]:
    """Return the cells of every row of a file."""
    return [row.cells for row in open_table(io.BytesIO(content), "table").rows()]


def outcomes_of(content: bytes) -> list[RowOutcome]:
    """Return the outcomes of a file under its suggested mapping."""
    table = open_table(io.BytesIO(content), "table")
    _header, suggestion = suggestion_for(table)
    return list(read_drafts(table, suggestion.mapping))


def outcome_of(row: Sequence[str], names: Sequence[str] = NAMES) -> RowOutcome:
    """Return the outcome of a single row."""
    return outcomes_of(csv_bytes([names, row]))[-1]


def reasons(outcome: RowOutcome) -> set[str]:
    """Return the reason codes of an outcome's problems."""
    return {problem.reason for problem in outcome.problems}
