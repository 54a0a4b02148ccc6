"""Probable repeats and split cases among the rows of one table: reported to a person, never decided here.

Memory stays bounded: what is remembered of a row is a few short keys, and only for parties that appear again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from liangfa_enforcement_record.intake.rows import Prepared
from liangfa_protos.enforcement_record.v1 import import_service_pb2 as pb

SPLIT_DAYS = 30
"""Decisions on one party and cause within so many days of each other may be one case cut into several."""


@dataclass(frozen=True, slots=True)
class _Seen:
    row: int
    cause: str
    day: date | None
    document_number: str
    row_hash: str


class Suspicions:
    """Looks at rows one after the other."""

    def __init__(self) -> None:
        self._by_party: dict[str, list[_Seen]] = {}
        self._by_number: dict[str, int] = {}

    def look(self, prepared: Prepared) -> list[pb.Finding]:
        """Return what is suspicious about a row, given the rows before it."""
        found: list[pb.Finding] = []
        case, row = prepared.case, prepared.row
        party, number = case.parties[0], case.decision.document_number
        key = party.uscc or party.name
        day = _day(case.decision.decided_on)
        for other in self._by_party.get(key, ()):
            if other.row_hash == prepared.row_hash:
                found.append(_finding("repeat", row, f"与第 {other.row} 行内容完全相同"))
            elif number and number == other.document_number:
                found.append(_finding("near_repeat", row, f"与第 {other.row} 行文号、当事人相同而内容不同"))
            elif other.cause == case.cause and _close(day, other.day) and "某" not in party.name:
                days = abs((day - other.day).days) if day and other.day else 0
                text = f"与第 {other.row} 行当事人、案由相同，决定日期相隔 {days} 天，可能是拆分处理的同一案件"
                found.append(_finding("split", row, text))
        if number and number in self._by_number and not found:
            text = f"文号与第 {self._by_number[number]} 行相同，当事人不同"
            found.append(_finding("shared_number", row, text))
        self._by_number.setdefault(number, row)
        seen = self._by_party.setdefault(key, [])
        if len(seen) < 20:
            seen.append(_Seen(row, case.cause, day, number, prepared.row_hash))
        return found


def _finding(kind: str, row: int, message: str) -> pb.Finding:
    return pb.Finding(kind=kind, message_zh=message, row=row)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _close(one: date | None, other: date | None) -> bool:
    return one is not None and other is not None and abs((one - other).days) <= SPLIT_DAYS
