"""CSV and its relatives: separators , ; tab ， |, quoted cells, read as a stream."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from statistics import median
from typing import BinaryIO

from liangfa_enforcement_record.importing.encodings import Encoding
from liangfa_enforcement_record.importing.limits import MAX_CELL_CHARACTERS, Limits
from liangfa_enforcement_record.importing.refusals import TableRefused

DELIMITERS = (",", "\t", ";", "，", "|", "；")
_HEAD_CHARACTERS = 131_072
_HEAD_RECORDS = 40
_LONGEST_LINE = 4 * MAX_CELL_CHARACTERS


@contextmanager
def decoded(file: BinaryIO, encoding: Encoding) -> Iterator[io.TextIOWrapper]:
    """Lend the decoded file from behind its BOM; bytes that do not fit become U+FFFD, line ends stay as they are."""
    file.seek(encoding.bom_bytes)
    text = io.TextIOWrapper(file, encoding.name, "replace", newline="")
    try:
        yield text
    finally:
        text.detach()  # a wrapper that is collected would close the file, which is not ours


def detect_delimiter(file: BinaryIO, encoding: Encoding) -> str:
    """Return the separator under which the head of the file looks most like a table; a comma when nothing does."""
    with decoded(file, encoding) as text:
        head = text.read(_HEAD_CHARACTERS)
    if head[:4].lower() == "sep=" and head[5:6] in {"\r", "\n"}:
        return head[4]
    return max(DELIMITERS, key=lambda delimiter: _likeness(head, delimiter))


def _likeness(head: str, delimiter: str) -> float:
    """Return how wide the records usually are, weighed by how many of them have more than one cell."""
    widths: list[int] = []
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=delimiter)
    with suppress(csv.Error):
        widths.extend(len(row) for row, _ in zip(reader, range(_HEAD_RECORDS), strict=False) if any(row))
    wide = [width for width in widths if width > 1]
    if not wide:
        return 0.0
    # Full-width marks stand in every narrative: as separators they need twice the evidence.
    return median(wide) * (len(wide) / len(widths)) ** 2 * (0.5 if delimiter in "，；" else 1.0)


def delimited_rows(
    file: BinaryIO, encoding: Encoding, delimiter: str, limits: Limits
) -> Iterator[tuple[int, list[str]]]:
    """Yield record number (from 1, as a spreadsheet counts them) and cells of every record that has content."""
    number = 0
    with decoded(file, encoding) as text:
        try:
            for number, cells in enumerate(csv.reader(_lines(text), delimiter=delimiter), start=1):
                if len(cells) > limits.columns:
                    raise TableRefused("TABLE_TOO_WIDE", row=number, columns=len(cells), limit=limits.columns)
                if any(cells) and not (number == 1 and _is_hint(cells)):
                    yield number, cells
        except csv.Error as error:
            raise TableRefused("CELL_TOO_LARGE", row=number + 1, limit=MAX_CELL_CHARACTERS) from error


def _is_hint(cells: list[str]) -> bool:
    """Tell whether the first record is the `sep=;` line by which Excel is told the separator."""
    return len(cells) <= 2 and cells[0][:4].lower() == "sep="


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    for number, line in enumerate(iter(lambda: text.readline(_LONGEST_LINE), ""), start=1):
        if len(line) >= _LONGEST_LINE:
            raise TableRefused("CELL_TOO_LARGE", row=number, limit=MAX_CELL_CHARACTERS)
        yield line
