"""Finding the header row and knowing its columns: title lines, two-line headers, units and brackets aside."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from liangfa_enforcement_record.importing.fields import FIELDS
from liangfa_enforcement_record.importing.refusals import TableRefused
from liangfa_enforcement_record.importing.tables import Row
from liangfa_standards.money import MoneyUnit

HEAD_ROWS = 40
"""How many rows with content are looked at for the header."""
_LONGEST_NAME = 60
_LEAST_KNOWN = 2
_UNIT = re.compile(
    r"[(\[](?:金额)?(?:单位[:：]?)?(?:人民币)?(亿元|万元|元|万)[)\]]|(?<=[额款得物])[_/:]?(万元|元)$|单位[:：](万元|元)"
)
_HINT = re.compile(
    r"[(\[](?:必填项?|选填|非必填|可选|格式[^)\]]*|yyyy[^)\]]*|[^)\]]{0,12}(?:yyyy|格式|填写|分隔|多个)[^)\]]*)[)\]]",
    re.IGNORECASE,
)
_NOISE = re.compile(r"[\s*＊_:：、,，.。\"'“”‘’\-—]")


@dataclass(frozen=True, slots=True)
class KnownColumn:
    """What a header says: the field and the unit of its amounts, when it states one."""

    field: str
    unit: MoneyUnit | None


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a table. `names` as they stand (two lines joined by a slash), `last_row` is where it ends."""

    names: tuple[str, ...]
    first_row: int
    last_row: int
    known: int
    """How many of its columns are known fields."""


def plain_header(text: str) -> str:
    """Return the form in which two spellings of a header are equal: NFKC, lower case, no blanks, units, hints, punctuation."""
    text = unicodedata.normalize("NFKC", text).lower()
    text = _HINT.sub("", _UNIT.sub("", "".join(text.split())))
    return _NOISE.sub("", text)


def header_unit(text: str) -> MoneyUnit | None:
    """Return the unit of money that a header states, `罚款金额（万元）`."""
    found = _UNIT.search("".join(unicodedata.normalize("NFKC", text).split()))
    unit = next((group for group in found.groups() if group), "") if found else ""
    return MoneyUnit("万元" if unit == "万" else unit) if unit else None


_BY_HEADER = {plain_header(header): field.name for field in FIELDS.values() for header in field.headers}
_CODES_OF_2018 = frozenset(["cfnrfk", "cfnrwfff", "xy020116"])
"""Column codes whose amounts are in 万元 by the standard itself."""
_BRACKETED = re.compile(r"\(([^()]*)\)")


@lru_cache(maxsize=4096)
def known_column(header: str) -> KnownColumn | None:
    """Return what a header says its column is, or None when no list knows it.

    Code 2 of the 2016 layout is not code 2 of 2018: the words in brackets decide, a bare `行政相对人代码_2` is unknown.
    """
    if not header or len(header) > _LONGEST_NAME * 2:
        return None
    plain = plain_header(header)
    unit = header_unit(header) or (MoneyUnit.WAN if plain in _CODES_OF_2018 else None)
    inside = _BRACKETED.search(plain)
    for candidate in (plain, inside[1] if inside else "", _BRACKETED.sub("", plain), plain.rpartition("/")[2]):
        field = _BY_HEADER.get(candidate)
        if field is not None:
            return KnownColumn(field, unit or FIELDS[field].unit)
    return None


def find_header(rows: Sequence[Row]) -> Header:
    """Return the header among the first rows: the row, or two rows joined, in which most columns are known.

    When none knows two columns, the first row that looks like names (short, different, no figures) is taken, with
    `known` 0 or 1: a person has to map it. Raises `TableRefused` when there is none.
    """
    best: Header | None = None
    for candidate in _candidates(rows):
        if candidate.known >= _LEAST_KNOWN and (best is None or candidate.known > best.known):
            best = candidate
    return best or _likely_names(rows)


def header_for(wanted: Sequence[str], rows: Sequence[Row]) -> Header:
    """Return the header among the first rows that has most of the wanted columns, the best-known one when several do.

    Raises `TableRefused` when no row has any of them.
    """
    plain = {plain_header(name.partition("#")[0]) for name in wanted}
    best: tuple[int, int] = (0, 0)
    found: Header | None = None
    for candidate in _candidates(rows):
        rank = (len(plain & {plain_header(name) for name in candidate.names}), candidate.known)
        if rank > best:
            best, found = rank, candidate
    if found is None or not best[0]:
        raise TableRefused("HEADER_NOT_MAPPED", columns="、".join(list(wanted)[:5]))
    return found


def _candidates(rows: Sequence[Row]) -> Iterator[Header]:
    for place, row in enumerate(rows[:HEAD_ROWS]):
        names = tuple(cell.strip() for cell in row.cells)
        yield Header(names, row.number, row.number, _known(names))
        if place + 1 < len(rows) and _could_be_group(names):
            below = rows[place + 1]
            joined = _joined(names, [cell.strip() for cell in below.cells])
            yield Header(joined, row.number, below.number, _known(joined))


def _known(names: Sequence[str]) -> int:
    fields = {column.field for name in names if (column := known_column(name)) is not None}
    return len(fields - {"sequence", "remarks"}) + (len(fields) > 1)


def _could_be_group(names: Sequence[str]) -> bool:
    return sum(bool(name) for name in names) >= 2 and all(len(name) <= _LONGEST_NAME for name in names)


def _joined(upper: Sequence[str], lower: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a two-line header: a group's name reaches over the blanks to its right."""
    names, group = [], ""
    for index in range(max(len(upper), len(lower))):
        above = upper[index] if index < len(upper) else ""
        below = lower[index] if index < len(lower) else ""
        group = above or (group if below else "")
        names.append(_best_name(above or group, below))
    return tuple(names)


def _best_name(above: str, below: str) -> str:
    if not below or above == below:
        return above
    joined = f"{above}/{below}" if above else below
    # 处罚金额(万元) above, 罚款 below: the lower line says what it is, the upper one in which unit.
    if header_unit(above) and not header_unit(below) and known_column(below):
        return f"{below}({header_unit(above)})"
    return next((name for name in (below, above + below, joined) if known_column(name)), joined)


_FIGURE = re.compile(r"[0-9]{4,}|[0-9]\.[0-9]")


def _likely_names(rows: Sequence[Row]) -> Header:
    for row in rows[:HEAD_ROWS]:
        names = tuple(cell.strip() for cell in row.cells)
        filled = [name for name in names if name]
        is_plausible = len(filled) >= 2 and len(set(filled)) == len(filled)
        if is_plausible and all(len(name) <= _LONGEST_NAME and not _FIGURE.search(name) for name in filled):
            return Header(names, row.number, row.number, _known(names))
    raise TableRefused("TABLE_WITHOUT_HEADER", looked_at=min(len(rows), HEAD_ROWS))


def repeats_header(cells: Sequence[str], names: Sequence[str]) -> bool:
    """Tell whether a row is the header again, as at the top of each printed page."""
    filled = [index for index, cell in enumerate(cells) if cell and not cell.isspace()]
    if len(filled) < 2:
        return False
    same = sum(index < len(names) and plain_header(cells[index]) == plain_header(names[index]) for index in filled)
    return same >= 2 and same * 10 >= len(filled) * 8
