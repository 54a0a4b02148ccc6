"""What a column seems to hold, judged by its values: for headers that nobody knows, and for amounts without a unit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from liangfa_standards.codes import agency_type_of, read_party_category, read_penalty_categories
from liangfa_standards.dates import read_date
from liangfa_standards.document_numbers import read_document_number
from liangfa_standards.identifiers import CodeKind, kind_of_code
from liangfa_standards.money import MoneyUnit, read_money

_BASIS = re.compile(r"《[^》]{3,40}》[^《]{0,6}第")
_MOSTLY = 0.6


@dataclass(frozen=True, slots=True)
class Guess:
    """A field that values speak for, how strongly, and why."""

    field: str
    confidence: float
    reason_zh: str
    reason_en: str


def field_by_values(values: Sequence[str]) -> Guess | None:
    """Return the field that most of the values fit, or None."""
    texts = [value.strip() for value in values[:50]]
    if not texts:
        return None
    for guess, fits in _TESTS:
        if sum(map(fits, texts)) >= _MOSTLY * len(texts):
            return guess
    return None


def _guess(field: str, confidence: float, zh: str, en: str) -> Guess:
    return Guess(field, confidence, f"多数值{zh}", f"most values {en}")


_TESTS: tuple[tuple[Guess, Callable[[str], bool]], ...] = (
    (_guess("uscc", 0.8, "通过统一社会信用代码校验", "pass the check of GB 32100"), lambda t: kind_of_code(t) is CodeKind.USCC),
    (_guess("resident_id", 0.8, "通过身份证号校验", "pass the check of GB 11643"), lambda t: kind_of_code(t) is CodeKind.RESIDENT_ID),
    (_guess("document_number", 0.7, "是文号格式", "have the form of 文号"), lambda t: read_document_number(t).has_known_form),
    (_guess("legal_basis", 0.6, "是法律条文", "cite statutes"), lambda t: _BASIS.search(t) is not None),
    (_guess("party_category", 0.7, "是相对人类别", "are kinds of parties"), lambda t: read_party_category(t) != ""),
    (_guess("penalty_categories", 0.6, "是处罚类别", "are kinds of penalties"), lambda t: read_penalty_categories(t).keys != ()),
    (_guess("agency_name", 0.5, "是行政机关名称", "name agencies"), lambda t: len(t) < 40 and agency_type_of(t) is not None),
    (_guess("decided_on", 0.4, "是日期", "are dates"), lambda t: read_date(t).value is not None),
    (_guess("facts", 0.4, "是较长的文字", "are long texts"), lambda t: len(t) >= 30),
)  # fmt: skip
"""Tried in this order: what few texts fit comes first."""


def unit_by_values(values: Sequence[str]) -> MoneyUnit | None:
    """Return the unit that the figures of a money column without a stated unit speak for, or None.

    Fines in yuan are whole and mostly above a hundred; fines in 万元 are small and often broken.
    """
    readings = [read_money(value, MoneyUnit.YUAN) for value in values[:50]]
    figures = [reading.yuan for reading in readings if reading.yuan]
    if not figures:
        return None
    large = sum(figure >= 100 and figure == figure.to_integral_value() for figure in figures)
    return MoneyUnit.YUAN if large >= _MOSTLY * len(figures) else MoneyUnit.WAN
