"""Opening a file as a table: what kind of file it is by its bytes, which sheet holds the rows, and the rows as a stream.

A file's name is only told to people. Rows are lists of text with the number that a spreadsheet shows; rows without
content are no rows. Nothing here knows what a header is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from liangfa_enforcement_record.importing import legacy
from liangfa_enforcement_record.importing.delimited import delimited_rows, detect_delimiter
from liangfa_enforcement_record.importing.encodings import Encoding, detect_encoding
from liangfa_enforcement_record.importing.limits import Limits
from liangfa_enforcement_record.importing.markup import is_markup, markup_rows
from liangfa_enforcement_record.importing.refusals import TableRefused
from liangfa_enforcement_record.importing.workbooks import SheetEntry, Workbook

_FOREIGN = {
    b"%PDF": "PDF",
    b"{\\rtf": "RTF",
    b"Rar!": "RAR",
    b"7z\xbc\xaf": "7Z",
    b"\x1f\x8b": "GZIP",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"SQLite": "SQLite",
    b"MIME-Version:": "MHTML",
}
_NOTE_SHEETS = ("说明", "填表", "字典", "代码", "枚举", "示例", "样例", "下拉")
_SAMPLE_ROWS = 200


class Row(NamedTuple):
    """A row: its number as a spreadsheet counts, from 1, and its cells as text; later columns may be absent."""

    number: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class TableNote:
    """Something about the whole file that a person should know: a reason code and a figure or name."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SheetSummary:
    """A sheet of the file. `use` is `read`, `instructions`, `hidden`, `empty` or `not_read` (it has rows of its own)."""

    name: str
    use: str


@dataclass(frozen=True)
class Table:
    """A table as a stream of rows. `rows()` may be called again: each call reads from the beginning."""

    name: str
    kind: str
    """csv, xlsx, xls or markup."""
    _read: Callable[[], Iterator[Row]] = field(repr=False)
    sheet: str = ""
    sheets: tuple[SheetSummary, ...] = ()
    encoding: str = ""
    delimiter: str = ""
    notes: tuple[TableNote, ...] = ()
    """Decoding losses, hidden rows, merged cells filled, other sheets with rows."""

    def rows(self) -> Iterator[Row]:
        """Yield the rows that have content, in order. Raises `TableRefused` where the file turns out to be damaged."""
        return self._read()


def open_table(source: Path | str | BinaryIO, name: str, *, sheet: str = "", limits: Limits | None = None) -> Table:
    """Open a CSV, XLSX, XLS, ET, HTML or XML table. `source` is a path or a seekable binary file, `name` what its sender calls it.

    Of several sheets the first with rows that is neither hidden nor instructions is read, unless `sheet` names one; the
    others are reported in `sheets` and, when they hold rows, in `notes`. Raises `TableRefused`.
    """
    limits = limits or Limits()
    source = Path(source) if isinstance(source, str) else source
    with _opened(source) as file:
        head = file.read(65_536)
        size = file.seek(0, 2)
        if not head.strip():
            raise TableRefused("FILE_EMPTY")
        if size > limits.file_bytes:
            raise TableRefused("FILE_TOO_LARGE", size_bytes=size, limit_bytes=limits.file_bytes)
        for magic, found in _FOREIGN.items():
            if head.startswith(magic):
                raise TableRefused("FILE_FORMAT_UNKNOWN", found=found)
        if head.startswith(b"PK"):
            return _workbook_table(source, name, file, sheet, limits)
        if head.startswith(legacy.MAGIC):
            return _legacy_table(source, name, file, sheet, limits)
        encoding = detect_encoding(file)
        if is_markup(head[encoding.bom_bytes :].decode(encoding.name, "replace")):
            return _markup_table(source, name, encoding, limits)
        return _text_table(source, name, file, encoding, limits)


@contextmanager
def _opened(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Lend the bytes from their beginning: a path is opened anew, a file is rewound and stays open."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield file
    else:
        source.seek(0)
        yield source


def _text_table(source: Path | BinaryIO, name: str, file: BinaryIO, encoding: Encoding, limits: Limits) -> Table:
    delimiter = detect_delimiter(file, encoding)

    def read() -> Iterator[Row]:
        with _opened(source) as again:
            for number, cells in delimited_rows(again, encoding, delimiter, limits):
                yield Row(number, cells)

    notes = (TableNote("DECODING_LOSSES", encoding.name),) if encoding.has_losses else ()
    return Table(name, "csv", read, encoding=encoding.name, delimiter=delimiter, notes=notes)


def _markup_table(source: Path | BinaryIO, name: str, encoding: Encoding, limits: Limits) -> Table:
    def read() -> Iterator[Row]:
        with _opened(source) as again:
            for number, cells in markup_rows(again, limits):
                yield Row(number, cells)

    return Table(name, "markup", read, encoding=encoding.name)


def _workbook_table(source: Path | BinaryIO, name: str, file: BinaryIO, sheet: str, limits: Limits) -> Table:
    book = Workbook(file, limits)
    chosen, summaries = _choice(book.sheets, sheet, lambda entry: next(book.rows(entry), None) is not None)
    traits = book.traits(chosen)
    texts = book.texts()
    notes = _notes(traits.hidden_rows, traits.merged_down, summaries)

    def read() -> Iterator[Row]:
        with _opened(source) as again:
            rows = Workbook(again, limits, texts).rows(chosen)
            yield from _filled(rows, traits.merged_down)

    return Table(name, "xlsx", read, sheet=chosen.name, sheets=summaries, notes=notes)


def _legacy_table(source: Path | BinaryIO, name: str, file: BinaryIO, sheet: str, limits: Limits) -> Table:
    book = legacy.LegacyWorkbook(file, limits)
    chosen, summaries = _choice(book.sheets, sheet, lambda entry: next(book.rows(entry), None) is not None)
    merged = book.merged_down(chosen)

    def read() -> Iterator[Row]:
        with _opened(source) as again:
            yield from _filled(legacy.LegacyWorkbook(again, limits).rows(chosen), merged)

    return Table(name, "xls", read, sheet=chosen.name, sheets=summaries, notes=_notes(0, merged, summaries))


def _choice(
    entries: tuple[SheetEntry, ...], wanted: str, has_rows: Callable[[SheetEntry], bool]
) -> tuple[SheetEntry, tuple[SheetSummary, ...]]:
    """Return the sheet to read and what is done with each."""
    uses = {entry.name: _use(entry, has_rows) for entry in entries}
    if wanted and wanted not in uses:
        raise TableRefused("SHEET_NOT_FOUND", sheet=wanted, sheets="、".join(uses))
    readable = [entry for entry in entries if uses[entry.name] == "not_read"] or list(entries)
    if not readable:
        raise TableRefused("FILE_EMPTY")
    chosen = next((entry for entry in entries if entry.name == wanted), readable[0])
    uses[chosen.name] = "read"
    return chosen, tuple(SheetSummary(name, use) for name, use in uses.items())


def _use(entry: SheetEntry, has_rows: Callable[[SheetEntry], bool]) -> str:
    if entry.is_hidden:
        return "hidden"
    if any(word in entry.name for word in _NOTE_SHEETS):
        return "instructions"
    return "not_read" if has_rows(entry) else "empty"


def _notes(
    hidden_rows: int, merged_down: dict[tuple[int, int], int], sheets: tuple[SheetSummary, ...]
) -> tuple[TableNote, ...]:
    notes = [TableNote("SHEET_NOT_READ", sheet.name) for sheet in sheets if sheet.use == "not_read"]
    if hidden_rows:
        notes.append(TableNote("HIDDEN_ROWS_READ", str(hidden_rows)))
    if merged_down:
        notes.append(TableNote("MERGED_CELLS_FILLED", str(len(merged_down))))
    return tuple(notes)


def _filled(rows: Iterator[tuple[int, list[str]]], merged_down: dict[tuple[int, int], int]) -> Iterator[Row]:
    """Yield the rows with the value of a cell merged downwards in each row that it covers."""
    if not merged_down:
        for number, cells in rows:
            yield Row(number, cells)
        return
    covering: dict[int, tuple[int, str]] = {}
    for number, cells in rows:
        for column, (last, text) in list(covering.items()):
            if number > last:
                del covering[column]
                continue
            cells.extend([""] * (column + 1 - len(cells)))
            cells[column] = cells[column] or text
        for column, text in enumerate(cells):
            last = merged_down.get((column, number), 0)
            if last > number and text:
                covering[column] = (last, text)
        yield Row(number, cells)
