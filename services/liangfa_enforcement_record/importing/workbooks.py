"""XLSX as a stream: one row in memory at a time, besides the workbook's shared texts.

Written on lxml because the libraries at hand either hold the whole sheet (240 MB for 100,000 rows, and a matrix as large as
the farthest cell) or take five times as long. Formulas are never evaluated: the value that was stored counts, and
a formula without one is taken as text.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

from lxml import etree

from liangfa_enforcement_record.importing.cells import column_index, column_number, iso_text, number_text, serial_text
from liangfa_enforcement_record.importing.limits import MAX_CELL_CHARACTERS, Limits
from liangfa_enforcement_record.importing.refusals import TableRefused

_RELATIONSHIP = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_STRICT_RELATIONSHIP = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"
_CHUNK = 1 << 20
_FORGET_EVERY = 64
_MEGABYTES_64 = 64 * 1024 * 1024
_MERGE = re.compile(rb'<(?:\w+:)?mergeCell\s+ref="([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})"')
_HIDDEN = re.compile(rb'<(?:\w+:)?row\s[^>]*hidden="(?:1|true)"')
_MOST_MERGES = 100_000
_DATE_FORMATS = frozenset([*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)])
"""Built-in number formats that show a date or a time, the Chinese ones among them (ECMA-376 part 1, 18.8.30)."""
_QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """A worksheet of a workbook: its name, where it is stored, and whether it is hidden."""

    name: str
    member: str
    is_hidden: bool


@dataclass(frozen=True, slots=True)
class SheetTraits:
    """What a look through a sheet's bytes tells: hidden rows, and cells merged downwards (column → first → last row)."""

    hidden_rows: int
    merged_down: dict[tuple[int, int], int]


class _CellTooLarge(TableRefused):
    """The parser met a text beyond its own limit of ten megabytes; it cannot say in which row."""

    def __init__(self) -> None:
        super().__init__("CELL_TOO_LARGE", row="?", limit=MAX_CELL_CHARACTERS)


@contextmanager
def _damage_told(member: str) -> Iterator[None]:
    """Tell whatever a damaged, protected or hostile archive raises as a refusal."""
    try:
        yield
    except TableRefused:
        raise
    except etree.XMLSyntaxError as error:
        if "huge" in str(error) or "too long" in str(error):
            raise _CellTooLarge from error
        raise TableRefused("FILE_TRUNCATED", detail=f"{member}: {error}") from error
    except KeyError as error:
        raise TableRefused("FILE_TRUNCATED", detail=f"{member} is missing") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise TableRefused("FILE_TRUNCATED", detail=f"{member}: {error}") from error
    except RuntimeError as error:  # so zipfile says that a member is encrypted
        raise TableRefused("FILE_PASSWORD_PROTECTED") from error


class Workbook:
    """An opened XLSX file. Raises `TableRefused` for what is damaged, protected or too large."""

    def __init__(self, file: BinaryIO, limits: Limits, texts: list[str] | None = None) -> None:
        """`texts` are the shared texts of the same file, when they were read before."""
        self._limits = limits
        self._texts = texts
        try:
            self._archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise TableRefused("FILE_TRUNCATED", detail=str(error)) from error
        _refuse_bomb(self._archive, limits)
        names = set(self._archive.namelist())
        if "xl/workbook.xml" not in names:
            found = next(
                (name for name in ("xl/workbook.bin", "content.xml", "word/document.xml") if name in names), "zip"
            )
            raise TableRefused("FILE_FORMAT_UNKNOWN", found=found)
        with _damage_told("xl/workbook.xml"):
            self.sheets, self._since_1904 = self._entries()
            self._is_date = self._date_styles()

    def _entries(self) -> tuple[tuple[SheetEntry, ...], bool]:
        targets = {
            item.get("Id", ""): item.get("Target", "")
            for item in self._tree("xl/_rels/workbook.xml.rels").iter("{*}Relationship")
            if item.get("Type", "").endswith("/worksheet")
        }
        root = self._tree("xl/workbook.xml")
        entries = []
        for item in root.iter("{*}sheet"):
            target = targets.get(item.get(_RELATIONSHIP) or item.get(_STRICT_RELATIONSHIP) or "")
            if target:
                member = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")
                is_hidden = item.get("state", "visible") != "visible"
                entries.append(SheetEntry(item.get("name", ""), member, is_hidden))
        properties = root.find("{*}workbookPr")
        since_1904 = properties is not None and properties.get("date1904") in {"1", "true"}
        return tuple(entries), since_1904

    def _date_styles(self) -> list[bool]:
        """Return for every cell style whether it shows a date."""
        if "xl/styles.xml" not in self._archive.namelist():
            return []
        root = self._tree("xl/styles.xml")
        custom = {int(f.get("numFmtId", "0")): f.get("formatCode", "") for f in root.iter("{*}numFmt")}
        styles = root.find("{*}cellXfs")
        ids = [int(style.get("numFmtId", "0")) for style in (styles if styles is not None else ())]
        return [_shows_date(custom[number]) if number in custom else number in _DATE_FORMATS for number in ids]

    def _tree(self, member: str) -> Any:
        size = self._archive.getinfo(member).file_size if member in self._archive.NameToInfo else 0
        if size > self._limits.part_bytes:
            raise TableRefused("FILE_ZIP_BOMB", unpacked_bytes=size, limit_bytes=self._limits.part_bytes)
        with _damage_told(member):
            parser = etree.XMLParser(
                remove_comments=True, remove_pis=True, resolve_entities=False, no_network=True, load_dtd=False
            )
            content = self._archive.read(member)
            _Counted(io.BytesIO(content), self._limits.tags).read()
            return etree.fromstring(content, parser)

    def traits(self, sheet: SheetEntry) -> SheetTraits:
        """Look through the sheet's bytes once, without parsing them."""
        merged: dict[tuple[int, int], int] = {}
        hidden, rest = 0, b""
        for chunk in self._chunks(sheet.member):
            window = rest + chunk
            # What may be cut at the end of the window is looked at again with the next one.
            cut = max(window.rfind(b"<"), 0)
            hidden += len(_HIDDEN.findall(window, 0, cut))
            for left, top, right, bottom in _MERGE.findall(window, 0, cut):
                if left == right and len(merged) < _MOST_MERGES:
                    merged[column_number(left.decode()), int(top)] = int(bottom)
            rest = window[cut:]
        return SheetTraits(hidden, merged)

    def _chunks(self, member: str) -> Iterator[bytes]:
        with _damage_told(member), self._archive.open(member) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk

    def rows(self, sheet: SheetEntry) -> Iterator[tuple[int, list[str]]]:
        """Yield row number and cells of every row that has content, from the first column on, as text."""
        self.texts()
        number = 0
        try:
            with _damage_told(sheet.member):
                for element in self._elements(sheet.member, "{*}row"):
                    number = int(element.get("r") or number + 1)
                    if cells := self._cells(element, number):
                        yield number, cells
        except _CellTooLarge as error:
            raise TableRefused("CELL_TOO_LARGE", row=number + 1, limit=MAX_CELL_CHARACTERS) from error

    def _elements(self, member: str, tag: str) -> Iterator[Any]:
        """Yield the elements of a member one at a time; those behind are forgotten a few dozen at once."""
        with _damage_told(member), self._archive.open(member) as stream:
            counted = _Counted(stream, self._limits.tags)
            for count, (_, element) in enumerate(_parsed(counted, tag), start=1):
                yield element
                counted.tags = 0
                if count % _FORGET_EVERY == 0:
                    parent = element.getparent()
                    del parent[: parent.index(element)]  # the parser is ahead: what follows is still to come

    def texts(self) -> list[str]:
        """Return the shared texts of the workbook; read once."""
        if self._texts is None:
            self._texts = self._read_texts()
        return self._texts

    def _read_texts(self) -> list[str]:
        if "xl/sharedStrings.xml" not in self._archive.namelist():
            return []
        size = self._archive.getinfo("xl/sharedStrings.xml").file_size
        if size > self._limits.shared_bytes:
            raise TableRefused("FILE_ZIP_BOMB", unpacked_bytes=size, limit_bytes=self._limits.shared_bytes)
        return [_text_of(element) for element in self._elements("xl/sharedStrings.xml", "{*}si")]

    def _cells(self, row: Any, number: int) -> list[str]:
        cells: list[str] = []
        texts = self._texts or []
        digits = len(str(number))
        for cell in row:
            if not len(cell):
                continue
            # Nearly every cell is a lone stored value, mostly a shared text: told without looking further.
            kind = cell.get("t")
            child = cell[0]
            value = self._value(cell, kind) if kind != "s" or len(cell) > 1 else _shared(texts, child.text or "")
            if not value:
                continue
            reference = cell.get("r")
            index = column_index(reference, digits) if reference else len(cells)
            if index >= self._limits.columns:
                raise TableRefused("TABLE_TOO_WIDE", row=number, columns=index + 1, limit=self._limits.columns)
            if len(value) > MAX_CELL_CHARACTERS:
                raise TableRefused("CELL_TOO_LARGE", row=number, limit=MAX_CELL_CHARACTERS)
            while len(cells) < index:
                cells.append("")
            cells.append(value)
        return cells

    def _value(self, cell: Any, kind: str | None) -> str:
        if kind == "inlineStr":
            return _text_of(cell[0])
        stored, formula = "", None
        for child in cell:
            if child.tag.endswith("}v"):
                stored = child.text or ""
            elif child.tag.endswith("}f"):
                formula = child.text
        if not stored:
            return f"={formula}" if formula else ""
        if kind == "s":
            return _shared(self._texts or [], stored)
        if kind in {None, "n"}:
            style = cell.get("s")
            is_date = style is not None and int(style) < len(self._is_date) and self._is_date[int(style)]
            return serial_text(stored, self._since_1904) if is_date else number_text(stored)
        if kind == "b":
            return "TRUE" if stored == "1" else "FALSE"
        return iso_text(stored) if kind == "d" else stored


class _Counted:
    """Bytes on their way to the parser, with their tags counted: what holds no row must not grow in memory unseen."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self.tags = 0
        self._stream = stream
        self._limit = limit

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes. Raises `TableRefused` when too many tags came since `tags` was set to 0."""
        content = self._stream.read(size)
        self.tags += content.count(b"<")
        if self.tags > self._limit:
            raise TableRefused("FILE_ZIP_BOMB", unpacked_bytes=f"{self.tags} tags", limit_bytes=f"{self._limit} tags")
        return content


def _shared(texts: list[str], stored: str) -> str:
    try:
        return texts[int(stored)]
    except (ValueError, IndexError) as error:
        raise TableRefused("FILE_TRUNCATED", detail=f"shared text {stored} is missing") from error


def _refuse_bomb(archive: zipfile.ZipFile, limits: Limits) -> None:
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    # zipfile never reads past the size that a member declares, so that the declared sizes can be trusted here.
    too_dense = any(
        member.file_size > _MEGABYTES_64 and member.file_size > limits.unpack_ratio * max(member.compress_size, 1)
        for member in members
    )
    if unpacked > limits.unpacked_bytes or too_dense:
        raise TableRefused("FILE_ZIP_BOMB", unpacked_bytes=unpacked, limit_bytes=limits.unpacked_bytes)
    if any(member.flag_bits & 1 for member in members):
        raise TableRefused("FILE_PASSWORD_PROTECTED")


def _parsed(stream: _Counted, tag: str) -> Any:
    return etree.iterparse(
        stream, tag=tag, remove_comments=True, remove_pis=True, resolve_entities=False, no_network=True, load_dtd=False
    )


def _text_of(element: Any) -> str:
    """Return the text of a string item: its runs joined, phonetic guides left out."""
    if len(element) == 1 and element[0].tag.endswith("}t"):
        return element[0].text or ""
    parts = []
    for child in element:
        if child.tag.endswith("}t"):
            parts.append(child.text or "")
        elif child.tag.endswith("}r"):
            parts.extend(run.text or "" for run in child if run.tag.endswith("}t"))
    return "".join(parts)


def _shows_date(code: str) -> bool:
    plain = _QUOTED.sub("", code.split(";", maxsplit=1)[0]).lower()
    return any(letter in plain for letter in "ymdhs") and "general" not in plain
