"""Rows that look like one case told twice, or one case cut in several. Reported to a person, never decided here."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from liangfa_enforcement_record.importing.drafts import CaseDraft
from liangfa_enforcement_record.importing.identity import (
    agency_key,
    content_hash,
    fingerprint,
    is_masked_name,
    natural_key,
    party_key,
)
from liangfa_standards.texts import name_key

_MOST_OF_ONE_PARTY = 200
"""Cases remembered of one party; beyond it is an agency's catch-all name, not a party."""


class FindingKind(StrEnum):
    """What two or more rows have in common."""

    REPEAT = "repeat"
    """Same agency, document number and party, same content."""
    REVISED = "revised"
    """Same agency, document number and party, other content: an update of the earlier row."""
    NEAR_REPEAT = "near_repeat"
    """Same agency, party and facts, or day, fine and cause, under another number or none."""
    SHARED_NUMBER = "shared_number"
    """One document number for several parties of one agency: usual for one decision on many."""
    NUMBER_OF_TWO_AGENCIES = "number_of_two_agencies"
    SPLIT = "split"
    """One party, agency and cause within a few days, each below a threshold."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should look at: the row that raised it, the earlier rows concerned, and why."""

    kind: FindingKind
    row: int
    other_rows: tuple[int, ...]
    message_zh: str
    message_en: str


@dataclass(frozen=True, slots=True)
class SplitRule:
    """When several cases may be one: within `days` of each other, each amount unknown or below `threshold_yuan`.

    50,000 yuan is the lowest amount at which the common offences of this field begin (假冒伪劣, 侵犯知识产权).
    """

    days: int = 30
    threshold_yuan: Decimal = Decimal(50_000)


@dataclass(frozen=True, slots=True)
class _Seen:
    row: int
    day: int | None
    amount: Decimal | None
    fine: Decimal | None


class DuplicateFinder:
    """Looks at drafts one after the other. Memory grows by a few short keys a row (about 60 MB for 100,000 rows)."""

    def __init__(self, split: SplitRule | None = None) -> None:
        self._split = split or SplitRule()
        self._contents: dict[bytes, tuple[int, bytes]] = {}
        self._facts: dict[bytes, int] = {}
        self._numbers: dict[str, tuple[str, int]] = {}
        self._causes: dict[bytes, list[_Seen]] = {}

    def look(self, draft: CaseDraft, content: str = "") -> list[Finding]:
        """Return what is suspicious about a row, given the rows before it; `content` is its hash where it is known."""
        if known := self._same_key(draft, content or content_hash(draft)):
            return [known]
        found = [self._near_repeat(draft), self._number(draft), self._split_case(draft)]
        return [finding for finding in found if finding is not None]

    def _same_key(self, draft: CaseDraft, content_key: str) -> Finding | None:
        key, content = bytes.fromhex(natural_key(draft)), bytes.fromhex(content_key)
        known = self._contents.get(key)
        if known is None or known[1] != content:
            self._contents[key] = (draft.row, content)
        if known is None:
            return None
        row, before = known
        if before == content:
            zh, en = f"与第 {row} 行完全相同", f"the same as row {row}"
            return Finding(FindingKind.REPEAT, draft.row, (row,), zh, en)
        zh = f"与第 {row} 行机关、文号、当事人相同而内容不同，按更正处理"
        en = f"same agency, number and party as row {row}, other content: taken as its revision"
        return Finding(FindingKind.REVISED, draft.row, (row,), zh, en)

    def _near_repeat(self, draft: CaseDraft) -> Finding | None:
        if not draft.facts:
            return None
        key = bytes.fromhex(fingerprint(draft))
        row = self._facts.setdefault(key, draft.row)
        if row == draft.row:
            return None
        zh = f"与第 {row} 行机关、当事人、事实和日期相同，文号不同"
        en = f"same agency, party, facts and date as row {row}, another document number"
        return Finding(FindingKind.NEAR_REPEAT, draft.row, (row,), zh, en)

    def _number(self, draft: CaseDraft) -> Finding | None:
        number = draft.document_number_key
        if not number:
            return None
        agency, row = self._numbers.setdefault(number, (agency_key(draft), draft.row))
        if row == draft.row:
            return None
        if agency == agency_key(draft):
            zh, en = f"与第 {row} 行文号相同，当事人不同", f"same document number as row {row}, another party"
            return Finding(FindingKind.SHARED_NUMBER, draft.row, (row,), zh, en)
        zh, en = f"与第 {row} 行文号相同，机关不同", f"same document number as row {row}, another agency"
        return Finding(FindingKind.NUMBER_OF_TWO_AGENCIES, draft.row, (row,), zh, en)

    def _split_case(self, draft: CaseDraft) -> Finding | None:
        """Find earlier cases of one party and cause close in time; a masked name identifies nobody."""
        party = draft.parties[0]
        if is_masked_name(party.name) and not (party.uscc or party.id_document_number):
            return None
        key = "\x1f".join((agency_key(draft), party_key(party), name_key(draft.cause))).encode("utf-8", "surrogatepass")
        seen = self._causes.setdefault(key, [])
        this = _Seen(
            draft.row,
            draft.decided_on.toordinal() if draft.decided_on else None,
            _amount(draft),
            draft.fine_or_suggestion,
        )
        close = [other for other in seen if self._belong_together(this, other)]
        if len(seen) < _MOST_OF_ONE_PARTY:
            seen.append(this)
        if not close:
            return None
        same = next((o for o in close if o.day == this.day and o.fine is not None and o.fine == this.fine), None)
        if same is not None:
            zh = f"与第 {same.row} 行当事人、案由、日期和罚款相同，可能重复"
            en = f"same party, cause, day and fine as row {same.row}: perhaps a repeat"
            return Finding(FindingKind.NEAR_REPEAT, draft.row, (same.row,), zh, en)
        return _split_finding(draft.row, this, close)

    def _belong_together(self, one: _Seen, other: _Seen) -> bool:
        if one.day is None or other.day is None or abs(one.day - other.day) > self._split.days:
            return False
        return all(seen.amount is None or seen.amount < self._split.threshold_yuan for seen in (one, other))


def _amount(draft: CaseDraft) -> Decimal | None:
    """Return the amount that a threshold would be held against: what was involved, else what was confiscated."""
    if draft.amount_involved_yuan is not None:
        return draft.amount_involved_yuan
    return draft.confiscated_or_suggestion


def _split_finding(row: int, this: _Seen, close: list[_Seen]) -> Finding:
    rows = tuple(other.row for other in close)
    amounts = [seen.amount for seen in (this, *close) if seen.amount is not None]
    total = f"，涉及金额合计 {sum(amounts, Decimal(0))} 元" if amounts else ""
    total_en = f", {sum(amounts, Decimal(0))} yuan in all" if amounts else ""
    listed = "、".join(map(str, rows[:10]))
    zh = f"与第 {listed} 行为同一当事人、同一案由且日期相近{total}，可能是一案拆分处理"
    en = f"same party and cause within days of rows {listed}{total_en}: perhaps one case cut in several"
    return Finding(FindingKind.SPLIT, row, rows, zh, en)
