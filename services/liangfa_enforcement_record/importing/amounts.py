"""Amounts in the words of a decision, `没收违法所得5479元，罚款10.2万元`: suggestions for a person, never values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from liangfa_standards.money import read_money

_DIGIT = "零一二三四五六七八九壹贰叁肆伍陆柒捌玖"
_NUMBER = (
    rf"(?P<amount>(?:[0-9][0-9,，]*(?:\.[0-9]+)?|[{_DIGIT}两十百千拾佰仟]+)"
    rf"\s*[万亿]?(?:余|多)?元(?:[{_DIGIT}]角(?:[{_DIGIT}]分)?)?)"
)
_MONEY_WORDS = r"(?:人民币|共计|合计|金额|计|款项?|[:：])*\s*"
_FINE = re.compile(rf"(?<!罚没)(?:罚款|处罚款|罚款金额){_MONEY_WORDS}{_NUMBER}")
_FINE_AFTER = re.compile(rf"{_NUMBER}(?:的|整的?)?罚款")
_CONFISCATED = re.compile(rf"没收[^，,；;。罚]{{0,24}}?{_MONEY_WORDS}{_NUMBER}")
_TOTAL = re.compile(rf"罚没(?:款|合计|共计|金额)?{_MONEY_WORDS}{_NUMBER}")
_LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class AmountsFound:
    """The amounts that words state, in yuan; None where there is none, or more than one to choose from."""

    fine_yuan: Decimal | None = None
    confiscated_yuan: Decimal | None = None
    total_yuan: Decimal | None = None


NOTHING_FOUND = AmountsFound()


def amounts_in_words(text: str) -> AmountsFound:
    """Return the fine, the confiscated amount and the total (罚没) that the words of a decision state. Never raises.

    A fine per person or per unit, several fines, criminal fines (罚金) and goods without a value are no suggestion.
    """
    if "元" not in text or len(text) > _LONGEST:
        return NOTHING_FOUND
    return _found(text) if len(text) <= 300 else _search(text)


@lru_cache(maxsize=4096)
def _found(text: str) -> AmountsFound:
    return _search(text)


def _search(text: str) -> AmountsFound:
    fines = _distinct([*_FINE.finditer(text), *_FINE_AFTER.finditer(text)], text)
    confiscated = _distinct([*_CONFISCATED.finditer(text)], text)
    return AmountsFound(_only(fines), _only(confiscated), _only(_distinct([*_TOTAL.finditer(text)], text)))


def _distinct(found: list[re.Match[str]], text: str) -> set[Decimal]:
    amounts = set()
    for match in found:
        if "每" in text[max(0, match.start("amount") - 6) : match.start("amount")]:
            continue
        reading = read_money(match["amount"].replace(" ", ""))
        if reading.yuan is not None:
            amounts.add(reading.yuan)
    return amounts


def _only(amounts: set[Decimal]) -> Decimal | None:
    return next(iter(amounts)) if len(amounts) == 1 else None
