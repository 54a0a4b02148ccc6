"""The rows kept aside as a file: the original columns to be corrected, and behind them what is wrong and what to do.

The file can be imported again as it is after correction: the added columns are no fields. Nothing in it is run by
a spreadsheet: a cell that begins like a formula gets an apostrophe, which the reading takes off again.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import IO

from openpyxl import Workbook

from liangfa_enforcement_record.importing.drafts import OutcomeKind, RowOutcome
from liangfa_enforcement_record.importing.mapping import PROBLEM_COLUMN

ADDED = tuple(PROBLEM_COLUMN + name for name in ("行号", "列", "原值", "代码", "原因", "处理办法"))
_RUN = frozenset("=+-@\t\r＝＋－＠")
_NUMBER = re.compile(r"[+-]?[0-9]{1,11}(?:\.[0-9]+)?")
_LONG_NUMBER = re.compile(r"[0-9]{12,}")
_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LONGEST_XLSX_CELL = 32_767
_TOO_LONG = "（内容超过表格单元格上限，请下载 CSV 更正 / too long for a spreadsheet cell: correct it in the CSV）"
_FLUSH_CHARACTERS = 1 << 16


def inert(cell: str) -> str:
    """Return a cell that no spreadsheet computes or rounds: formulas and long figures get an apostrophe in front."""
    if not cell:
        return cell
    if (cell[0] in _RUN and not _NUMBER.fullmatch(cell)) or _LONG_NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def reject_lines(outcomes: Iterable[RowOutcome]) -> Iterator[list[str]]:
    """Yield the header and a line for each rejected outcome; other outcomes are passed over."""
    width: int | None = None
    for outcome in outcomes:
        if outcome.kind is not OutcomeKind.REJECTED:
            continue
        if width is None:
            width = len(outcome.names)
            yield [*map(inert, outcome.names), *ADDED]
        yield [*map(inert, _original(outcome, width)), *map(inert, _told(outcome))]
    if width is None:
        yield list(ADDED)


def _original(outcome: RowOutcome, width: int) -> list[str]:
    """Return the row's cells under its header; cells beyond it are told in the last one, so that none is lost."""
    cells = [*outcome.cells[:width], *([""] * (width - len(outcome.cells)))]
    beyond = [cell for cell in outcome.cells[width:] if cell]
    if beyond and cells:
        cells[-1] = " | ".join([cells[-1], *beyond])
    return cells


def _told(outcome: RowOutcome) -> list[str]:
    errors = outcome.errors
    return [
        str(outcome.row),
        "\n".join(error.column for error in errors),
        "\n".join(error.value for error in errors),
        "\n".join(error.reason for error in errors),
        "\n".join(f"{error.message_zh} / {error.message_en}" for error in errors),
        "\n".join(f"{error.remedy_zh} / {error.remedy_en}" for error in errors),
    ]


def rejects_csv(outcomes: Iterable[RowOutcome]) -> Iterator[bytes]:
    """Yield the rejected rows as CSV in UTF-8, with a byte-order mark so that spreadsheets read it right."""
    yield b"\xef\xbb\xbf"
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    for line in reject_lines(outcomes):
        writer.writerow(line)
        if buffer.tell() > _FLUSH_CHARACTERS:
            yield buffer.getvalue().encode("utf-8", "replace")
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode("utf-8", "replace")


def write_rejects_xlsx(outcomes: Iterable[RowOutcome], file: IO[bytes]) -> None:
    """Write the rejected rows as XLSX to `file`: every cell a text, so that codes keep their digits."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("待更正")
    for line in reject_lines(outcomes):
        sheet.append([_xlsx_cell(cell) for cell in line])
    book.save(file)


def _xlsx_cell(cell: str) -> str:
    cell = _ILLEGAL.sub("", cell)
    return cell if len(cell) <= _LONGEST_XLSX_CELL else _TOO_LONG
