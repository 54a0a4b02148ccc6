"""How much of a file is taken, so that no file can exhaust the machine."""

from __future__ import annotations

from dataclasses import dataclass

MAX_CELL_CHARACTERS = 131_072
"""The csv module's own field limit; a narrative may have 100,000 and a spreadsheet cell 32,767."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one file. The defaults take a year of a city and refuse what nobody types."""

    file_bytes: int = 512 * 1024 * 1024
    unpacked_bytes: int = 2 * 1024**3
    """Sum of the members of a workbook after unpacking."""
    unpack_ratio: int = 250
    """Unpacked to packed bytes of one member; counted from 64 MiB unpacked on. Real sheets stay below 40."""
    part_bytes: int = 16 * 1024 * 1024
    """A workbook's styles, its list of sheets and the like, each held in memory whole."""
    shared_bytes: int = 512 * 1024 * 1024
    """A workbook's shared texts, held in memory."""
    tags: int = 200_000
    """Tags of one row of a workbook; a full row of 16,384 cells has a third of that."""
    columns: int = 1_000
    markup_bytes: int = 64 * 1024 * 1024
    """HTML and XML tables are held in memory whole."""
    markup_tags: int = 4_000_000
    """Tags of such a table: 100,000 rows of 20 columns."""
