"""Amounts in the words of a decision, `没收违法所得5479元，罚款10.2万元`: suggestions for a person, never values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

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
_AMOUNT_BEFORE = re.compile(r"元(?:的|整的?)?罚款")
_FORGIVEN = re.compile(r"(?:免予|免于|不予|免除)罚款")
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
    if len(text) > _LONGEST or ("元" not in text and "罚款" not in text):
        return NOTHING_FOUND
    fines: set[Decimal] = set()
    if "罚款" in text:
        fines = _distinct(_FINE, text) | (_distinct(_FINE_AFTER, text) if _AMOUNT_BEFORE.search(text) else set())
        if not fines and _FORGIVEN.search(text):
            fines = {Decimal(0)}
    confiscated = _distinct(_CONFISCATED, text) if "没收" in text else set()
    total = _distinct(_TOTAL, text) if "罚没" in text else set()
    return AmountsFound(_only(fines), _only(confiscated), _only(total))


def _distinct(pattern: re.Pattern[str], text: str) -> set[Decimal]:
    amounts = set()
    for match in pattern.finditer(text):
        if "每" in text[max(0, match.start("amount") - 6) : match.start("amount")]:
            continue
        reading = read_money(match["amount"].replace(" ", ""))
        if reading.yuan is not None:
            amounts.add(reading.yuan)
    return amounts


def _only(amounts: set[Decimal]) -> Decimal | None:
    return next(iter(amounts)) if len(amounts) == 1 else None
