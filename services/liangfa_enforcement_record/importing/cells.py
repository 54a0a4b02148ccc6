"""Values of spreadsheet cells as text: numbers and dates as their writer saw them, column letters."""

from __future__ import annotations

import datetime as dt
from datetime import date, datetime, timedelta
from typing import Any


def column_index(reference: str, digits: int) -> int:
    """Return the index from 0 of the column of a cell reference, `C12`, whose row number has `digits` digits."""
    index = _INDEXES.get(reference[:-digits])
    return column_number(reference.rstrip("0123456789")) if index is None else index


def column_number(letters: str) -> int:
    """Return the index from 0 of a column called `A`, `Z`, `AA` ...; a very large one for what is no column."""
    index = 0
    for letter in letters[:4]:
        index = index * 26 + ord(letter.upper()) - 64
    return max(index - 1, 0)


def column_letters(index: int) -> str:
    """Return the letters of the column with index `index` from 0."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


_INDEXES = {column_letters(index): index for index in range(702)}
"""A to ZZ, which is where tables end."""


def number_text(stored: str) -> str:
    """Return a stored number as its writer saw it: 218.09440000000001 as 218.0944, 1E-3 as 0.001.

    A figure of 16 digits and more stays in scientific notation or as it is, so that ruined codes are recognised.
    """
    if len(stored) <= 15 and "E" not in stored and "e" not in stored:
        return stored.removesuffix(".0")
    try:
        value = float(stored)
    except ValueError:
        return stored
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if "." not in stored and "E" not in stored and "e" not in stored:
        return stored
    # repr is the shortest text of that binary figure: the digits that were typed, not those that were stored.
    text = repr(value)
    return f"{value:.20f}".rstrip("0") if "e-" in text else text.upper()


def serial_text(stored: str, since_1904: bool) -> str:
    """Return a stored serial number that is shown as a date, in ISO form; the number itself when it is no day."""
    try:
        days = float(stored)
        start = datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 30)  # noqa: DTZ001 - a cell has no zone
        moment = start + timedelta(seconds=round(days * 86_400))
    except (ValueError, OverflowError):
        return stored
    if days < 1:
        return stored
    is_day = moment.hour == moment.minute == moment.second == 0
    return moment.date().isoformat() if is_day else moment.isoformat(sep=" ")


def iso_text(stored: str) -> str:
    """Return a stored ISO moment, without its time of day when that is midnight."""
    try:
        return date.fromisoformat(stored[:10]).isoformat() if stored[10:] in {"", "T00:00:00"} else stored
    except ValueError:
        return stored


def value_text(value: Any) -> str:
    """Return a value of a workbook library as text, by the same rules."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        return number_text(repr(value))
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(sep=" ")
    return "" if value is None else str(value)
