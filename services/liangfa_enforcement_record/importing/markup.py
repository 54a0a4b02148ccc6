"""Tables in HTML and in Excel's XML of 2003: what many systems call .xls. Held in memory, so bounded in size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from lxml import etree, html

from liangfa_enforcement_record.importing.encodings import detect_encoding
from liangfa_enforcement_record.importing.limits import MAX_CELL_CHARACTERS, Limits
from liangfa_enforcement_record.importing.refusals import TableRefused

_SPREADSHEET = "{urn:schemas-microsoft-com:office:spreadsheet}"
_MOST_SPANNED_ROWS = 10_000


def is_markup(head: str) -> bool:
    """Tell whether a text begins as HTML or XML."""
    start = head.lstrip("\ufeff \t\r\n")[:512].lower()
    return start.startswith(("<html", "<!doctype", "<table", "<?xml", "<meta", "<head", "<body", "<style", "<div"))


def markup_rows(file: BinaryIO, limits: Limits) -> Iterator[tuple[int, list[str]]]:
    """Yield row number and cells of the largest table of an HTML page, or of the first sheet of an XML workbook."""
    content = _content(file, limits)
    if "urn:schemas-microsoft-com:office:spreadsheet" in content[:4096]:
        rows = _xml_rows(_tree(content, is_html=False), limits)
    else:
        rows = _html_rows(_tree(content, is_html=True), limits)
    for number, cells in rows:
        if len(cells) > limits.columns:
            raise TableRefused("TABLE_TOO_WIDE", row=number, columns=len(cells), limit=limits.columns)
        if any(len(cell) > MAX_CELL_CHARACTERS for cell in cells):
            raise TableRefused("CELL_TOO_LARGE", row=number, limit=MAX_CELL_CHARACTERS)
        if any(cells):
            yield number, cells


def _content(file: BinaryIO, limits: Limits) -> str:
    file.seek(0)
    content = file.read(limits.markup_bytes + 1)
    if len(content) > limits.markup_bytes:
        raise TableRefused("FILE_TOO_LARGE", size_bytes=len(content), limit_bytes=limits.markup_bytes)
    if content.count(b"<") > limits.markup_tags:
        raise TableRefused("FILE_TOO_LARGE", size_bytes=len(content), limit_bytes=limits.markup_bytes)
    encoding = detect_encoding(file)
    return content[encoding.bom_bytes :].decode(encoding.name, "replace")


def _tree(content: str, *, is_html: bool) -> Any:
    # The text is decoded already: a declared encoding, right or wrong, must not be applied again.
    data = content.encode("utf-8", "replace")
    try:
        if is_html:
            return html.document_fromstring(data, parser=html.HTMLParser(encoding="utf-8", no_network=True))
        parser = etree.XMLParser(encoding="utf-8", resolve_entities=False, no_network=True, recover=False)
        return etree.fromstring(data, parser)
    except (etree.LxmlError, ValueError, AssertionError) as error:
        raise TableRefused("FILE_TRUNCATED", detail=str(error)) from error


def _html_rows(root: Any, limits: Limits) -> Iterator[tuple[int, list[str]]]:
    tables = list(root.iter("table"))
    if not tables:
        raise TableRefused("FILE_FORMAT_UNKNOWN", found="HTML")
    best = max(tables, key=lambda table: sum(1 for _ in _own_rows(table)))
    below: dict[int, tuple[int, str]] = {}
    for number, row in enumerate(_own_rows(best), start=1):
        yield number, _spanned(row, below, limits)


def _own_rows(table: Any) -> Iterator[Any]:
    """Yield the rows of a table, those of tables inside its cells left out."""
    for row in table.iter("tr"):
        if next(row.iterancestors("table")) is table:
            yield row


def _spanned(row: Any, below: dict[int, tuple[int, str]], limits: Limits) -> list[str]:
    """Return a row's cells with colspan as blanks and rowspan repeated; `below` carries what reaches into later rows."""
    cells: list[str] = []
    for cell in (*row.iterchildren("td", "th"), None):
        while len(cells) in below:
            rows_left, text = below.pop(len(cells))
            if rows_left > 1:
                below[len(cells)] = (rows_left - 1, text)
            cells.append(text)
        if cell is None:
            break
        text = _cell_text(cell)
        if (down := _span(cell, "rowspan", _MOST_SPANNED_ROWS)) > 1 and text:
            below[len(cells)] = (down - 1, text)
        cells.append(text)
        cells.extend([""] * (_span(cell, "colspan", limits.columns) - 1))
    return cells


def _span(cell: Any, name: str, most: int) -> int:
    value = (cell.get(name) or "1").strip()
    return min(int(value), most) if value.isascii() and value.isdigit() and value != "0" else 1


def _cell_text(cell: Any) -> str:
    for line_break in cell.iter("br"):
        line_break.tail = "\n" + (line_break.tail or "")
    return str(cell.text_content()).replace("\xa0", " ").strip()


def _xml_rows(root: Any, limits: Limits) -> Iterator[tuple[int, list[str]]]:
    sheet = root.find(f"{_SPREADSHEET}Worksheet/{_SPREADSHEET}Table")
    number = 0
    for row in () if sheet is None else sheet.iterchildren(f"{_SPREADSHEET}Row"):
        number = _position(row, number + 1)
        cells: list[str] = []
        for cell in row.iterchildren(f"{_SPREADSHEET}Cell"):
            index = _position(cell, len(cells) + 1) - 1
            if index >= limits.columns:
                raise TableRefused("TABLE_TOO_WIDE", row=number, columns=index + 1, limit=limits.columns)
            cells.extend([""] * (index - len(cells)))
            data = cell.find(f"{_SPREADSHEET}Data")
            cells.append("" if data is None else _data_text(data))
        yield number, cells


def _position(element: Any, following: int) -> int:
    value = element.get(f"{_SPREADSHEET}Index", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 9 else following


def _data_text(data: Any) -> str:
    text = "".join(data.itertext()).strip()
    is_moment = data.get(f"{_SPREADSHEET}Type") == "DateTime"
    return text.removesuffix("T00:00:00.000").removesuffix("T00:00:00") if is_moment else text
