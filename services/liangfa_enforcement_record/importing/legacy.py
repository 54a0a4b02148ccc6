"""XLS and ET (BIFF in an OLE2 container) through calamine. Such sheets end at 65,536 rows, so they are held in memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from liangfa_enforcement_record.importing.cells import value_text
from liangfa_enforcement_record.importing.limits import MAX_CELL_CHARACTERS, Limits
from liangfa_enforcement_record.importing.refusals import TableRefused
from liangfa_enforcement_record.importing.workbooks import SheetEntry

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")


class LegacyWorkbook:
    """An opened XLS or ET file. Raises `TableRefused` for what is damaged or protected."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._limits = limits
        file.seek(0)
        content = file.read()
        if _ENCRYPTED in content:
            raise TableRefused("FILE_PASSWORD_PROTECTED")
        try:
            self._book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        except PasswordError as error:
            raise TableRefused("FILE_PASSWORD_PROTECTED") from error
        except (CalamineError, OSError, ValueError) as error:
            protected = "password" in str(error).lower() or "encrypt" in str(error).lower()
            reason = "FILE_PASSWORD_PROTECTED" if protected else "FILE_TRUNCATED"
            raise TableRefused(reason, detail=str(error)) from error
        self.sheets = tuple(
            SheetEntry(sheet.name, sheet.name, sheet.visible is not SheetVisibleEnum.Visible)
            for sheet in self._book.sheets_metadata
            if sheet.typ is SheetTypeEnum.WorkSheet
        )

    def rows(self, sheet: SheetEntry) -> Iterator[tuple[int, list[str]]]:
        """Yield row number and cells of every row that has content, from the first column on, as text."""
        table = self._sheet(sheet)
        top, left = table.start or (0, 0)
        if left + table.width > self._limits.columns:
            columns = left + table.width
            raise TableRefused("TABLE_TOO_WIDE", row=top + 1, columns=columns, limit=self._limits.columns)
        for number, values in enumerate(table.iter_rows(), start=top + 1):
            cells = [""] * left + [value_text(value) for value in values]
            if any(len(cell) > MAX_CELL_CHARACTERS for cell in cells):
                raise TableRefused("CELL_TOO_LARGE", row=number, limit=MAX_CELL_CHARACTERS)
            if any(cells):
                yield number, cells

    def merged_down(self, sheet: SheetEntry) -> dict[tuple[int, int], int]:
        """Return the cells merged downwards: (column from 0, first row) → last row, rows from 1."""
        ranges = self._sheet(sheet).merged_cell_ranges or []
        return {(left, top + 1): bottom + 1 for (top, left), (bottom, right) in ranges if left == right}

    def _sheet(self, sheet: SheetEntry) -> CalamineSheet:
        try:
            return self._book.get_sheet_by_name(sheet.name)
        except (CalamineError, OSError, ValueError) as error:
            raise TableRefused("FILE_TRUNCATED", detail=f"{sheet.name}: {error}") from error
