"""Opening files: CSV in any of China's encodings, XLSX, XLS, and HTML or CSV that calls itself .xls.

Rows come as lists of text with the number that a spreadsheet shows. CSV streams; a workbook is unpacked by its reader, so
its size is bounded before it is opened.
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liangfa_enforcement_record.intake import refusals

MAX_COLUMNS = 500
MAX_CELL_CHARACTERS = 2_000_000
MAX_UNPACKED_BYTES = 1 << 30
_MOST_RATIO = 300
_SNIFF_BYTES = 1 << 20
_NOTE_SHEETS = ("说明", "填表", "字典", "代码", "枚举", "模板说明")
csv.field_size_limit(MAX_CELL_CHARACTERS)


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: `number` counts from 1 as a spreadsheet does; `cells` are texts, dates as ISO, numbers as plain digits."""

    number: int
    cells: list[str]
    sheet: str = ""


def open_table(path: Path, name: str) -> Iterator[TableRow]:
    """Yield the rows of the file at `path`, which its sender calls `name`. Raises `TableUnreadable`."""
    with path.open("rb") as file:
        head = file.read(_SNIFF_BYTES)
    if not head.strip():
        raise refusals.empty()
    if head.startswith(b"PK\x03\x04"):
        _check_archive(path, name)
        return _workbook_rows(path, name)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        return _workbook_rows(path, name)
    if head.lstrip()[:200].lower().startswith((b"<html", b"<!doctype", b"<table", b"<?xml")):
        return _html_rows(path, name)
    if b"\0" in head and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and head.count(b"\0") > 64:
        raise refusals.not_a_table(name)
    return _csv_rows(path, head)


def _check_archive(path: Path, name: str) -> None:
    """Refuse a workbook that would unpack to more than is taken (zip bombs, millions of formatted rows)."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except zipfile.BadZipFile as error:
        raise refusals.damaged(name) from error
    unpacked = sum(info.file_size for info in infos)
    packed = max(1, path.stat().st_size)
    if unpacked > MAX_UNPACKED_BYTES or (unpacked > 64 << 20 and unpacked / packed > _MOST_RATIO):
        raise refusals.too_large(f"{unpacked >> 20} MiB")


def _workbook_rows(path: Path, name: str) -> Iterator[TableRow]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        book = CalamineWorkbook.from_path(str(path))
        sheets = [sheet for sheet in book.sheet_names if not any(word in sheet for word in _NOTE_SHEETS)]
        tables = [(sheet, book.get_sheet_by_name(sheet)) for sheet in sheets or book.sheet_names]
    except (CalamineError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise refusals.damaged(name) from error
    for sheet, table in tables:
        if table.width > MAX_COLUMNS:
            raise refusals.too_large(f"{table.width} columns")
        first = (table.start or (0, 0))[0]
        for offset, cells in enumerate(table.iter_rows()):
            yield TableRow(first + offset + 1, [_text(cell) for cell in cells], sheet)


def _text(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat() if cell.time() == dt.time() else cell.isoformat(sep=" ")
    return cell.isoformat() if isinstance(cell, (dt.date, dt.time)) else str(cell)


def encoding_of(head: bytes) -> str:
    """Return the encoding of a text file from its first bytes: a byte-order mark, else UTF-8 if it reads, else GB18030."""
    marks = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
    for mark, encoding in marks:
        if head.startswith(mark):
            return encoding
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head, final=len(head) < _SNIFF_BYTES)
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8"


def _csv_rows(path: Path, head: bytes) -> Iterator[TableRow]:
    encoding = encoding_of(head)
    sample = head.decode(encoding, errors="replace")
    delimiter = _delimiter(sample)
    with path.open("r", encoding=encoding, errors="replace", newline="") as file:
        lines = (line.replace("\0", "") if "\0" in line else line for line in file)
        if delimiter == "，":
            lines = (line.replace("，", ",") for line in lines)
            delimiter = ","
        reader = csv.reader(lines, delimiter=delimiter)
        number = 0
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise refusals.too_large(str(error)) from error
            number += 1
            if len(cells) > MAX_COLUMNS:
                raise refusals.too_large(f"{len(cells)} columns")
            yield TableRow(number, cells)


def _delimiter(sample: str) -> str:
    """Return the separator that the first lines use most: comma, tab, semicolon or the full-width comma."""
    first = "\n".join(sample.splitlines()[:5])
    counts = {mark: first.count(mark) for mark in (",", "\t", ";", "，")}
    if counts[","] == 0 and counts["\t"] == 0 and counts[";"] == 0 and counts["，"] >= 3:
        return "，"
    return max((",", "\t", ";"), key=lambda mark: counts[mark])


def _html_rows(path: Path, name: str) -> Iterator[TableRow]:
    from lxml import etree, html

    content = path.read_bytes()
    if len(content) > MAX_UNPACKED_BYTES // 8:
        raise refusals.too_large(f"{len(content) >> 20} MiB")
    try:
        text = content.decode(_declared(content), errors="replace")
        tree = html.parse(io.StringIO(text)).getroot()
    except (etree.LxmlError, ValueError) as error:
        raise refusals.damaged(name) from error
    rows = tree.iter("tr") if tree is not None else iter(())
    for number, row in enumerate(rows, 1):
        yield TableRow(number, [cell.text_content() for cell in row if cell.tag in {"td", "th"}])


def _declared(content: bytes) -> str:
    head = content[:2_000].lower()
    return "gb18030" if b"charset=gb" in head or encoding_of(content[:_SNIFF_BYTES]) == "gb18030" else "utf-8-sig"
