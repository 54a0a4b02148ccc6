"""Money in cells: amounts with and without units, in words, with what is doubtful. Decimal yuan, never floats."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from functools import lru_cache

from liangfa_standards.blanks import is_blank
from liangfa_standards.numerals import NUMERAL_CHARACTERS, parse_number
from liangfa_standards.texts import clean_text

_LONGEST = 200
_EXACT = Context(prec=100, traps=[])
HAO = Decimal("0.0001")
"""The finest amount kept: 毫, a hundredth of a fen. 厘 (a thousandth of a yuan) occur in real decisions."""
LARGEST = Decimal(10) ** 13
"""Ten million million yuan; what is larger is no fine but a mistake."""


class MoneyUnit(StrEnum):
    """Units that a column or a cell states."""

    YUAN = "元"
    WAN = "万元"
    YI = "亿元"

    @property
    def in_yuan(self) -> Decimal:
        """How many yuan one unit is."""
        return _IN_YUAN[self]


_IN_YUAN = {MoneyUnit.YUAN: Decimal(1), MoneyUnit.WAN: Decimal(10_000), MoneyUnit.YI: Decimal(100_000_000)}


class MoneyRemark(StrEnum):
    """What is doubtful about an amount, or why there is none."""

    BLANK = "MONEY_BLANK"
    UNIT_IN_CELL = "MONEY_UNIT_IN_CELL"
    UNIT_DOUBTFUL = "MONEY_UNIT_DOUBTFUL"
    SCIENTIFIC = "MONEY_SCIENTIFIC"
    APPROXIMATE = "MONEY_APPROXIMATE"
    ROUNDED = "MONEY_ROUNDED"
    BOUND_ONLY = "MONEY_BOUND_ONLY"
    PER_UNIT = "MONEY_PER_UNIT"
    SEVERAL = "MONEY_SEVERAL"
    RANGE = "MONEY_RANGE"
    FOREIGN = "MONEY_FOREIGN_CURRENCY"
    NEGATIVE = "MONEY_NEGATIVE"
    TOO_LARGE = "MONEY_TOO_LARGE"
    UNREADABLE = "MONEY_UNREADABLE"


UNUSABLE = frozenset(
    [MoneyRemark.UNREADABLE, MoneyRemark.NEGATIVE, MoneyRemark.TOO_LARGE, MoneyRemark.SEVERAL, MoneyRemark.RANGE]
)
"""Something stands there, and it is not one amount of money."""


@dataclass(frozen=True, slots=True)
class MoneyReading:
    """An amount as read: `yuan` exact to 毫, the unit that was applied, how sure the reading is (0 to 1), and why."""

    raw: str
    yuan: Decimal | None = None
    unit: MoneyUnit | None = None
    confidence: float = 0.0
    remark: MoneyRemark | None = None


def read_money(text: str, column_unit: MoneyUnit | None = None) -> MoneyReading:
    """Read a money cell. `column_unit` is what the header states; a unit inside the cell outweighs it.

    Takes `20000`, `20,000.00`, `￥20000`, `2万元`, `人民币贰万元整`, `伍佰元`, `七万零七百七十一元九角五分五厘`, `1e4`,
    full-width digits, 余/约. Without any unit the amount is in yuan and doubtful. A cell naming a bound (`不足一万元`),
    a rate (`每人150元`), several amounts (`1+0.96`), a range or another currency gives no amount. Never raises.
    """
    if len(text) > _LONGEST:
        return MoneyReading(text, remark=MoneyRemark.UNREADABLE)
    if _PLAIN.fullmatch(text):
        return _bare(text, Decimal(text), column_unit)
    if usual := _USUAL.fullmatch(text):
        unit = MoneyUnit.WAN if usual[2] else MoneyUnit.YUAN
        return _judged(text, Decimal(usual[1]), unit, 0.95, MoneyRemark.UNIT_IN_CELL)
    return _read(text, column_unit)


_PLAIN = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,10})?")
_USUAL = re.compile(r"([0-9]{1,13}(?:\.[0-9]{1,6})?)(万?)元")
_ASIDE = re.compile(r"[（(](?:(万?元)|(?:大写|小写|人民币)[^（）()]*)[）)]$")
_SCIENTIFIC = re.compile(r"[0-9]+(?:\.[0-9]+)?[eE][+-]?[0-9]{1,2}")
_UNIT_TAIL = re.compile(r"(?P<wan>[万亿]?)\s*(?:元|圆|块钱?|RMB|CNY|rmb)(?P<small>.*)")
_AFFIXES = re.compile(
    r"^(?:并?处?罚款|没收(?:违法所得)?|合?共?计)?(?:人民币|RMB|CNY|rmb)?\s*[:：]?\s*(?P<sign>[¥￥])?\s*|(?:整|正|人民币|左右|。)+$"
)
_VAGUE = re.compile(r"[余多约近]|左右|上下|许")
_FOREIGN = re.compile(r"美元|美金|欧元|港[元币]|日元|英镑|韩元|卢布|USD|EUR|HKD|JPY|[$€£]")
_BOUND = re.compile(r"不足|不到|不满|未满|以上|以下|以内|超过|至少|最多|高于|低于|上[百千万]")
_RATE = re.compile(r"每|/(?!\s*$)|\d倍|分别|各[^万元]*元")
_RANGE = re.compile(r"[0-9万元]\s*(?:[-~～至到—－])\s*[0-9一二三四五六七八九十]")
_SEVERAL = re.compile(r"[+＋;；、]|元[^角分厘毫整正。)）]*[0-9一-九]+[^角分厘毫]*元|\n")
_SMALL = re.compile(
    r"零?(?:(?P<jiao>[^角分厘零]+)角)?零?(?:(?P<fen>[^角分厘零]+)分)?零?(?:(?P<li>[^角分厘零]+)厘)?[整正]?"
)


@lru_cache(maxsize=16384)
def _read(raw: str, column_unit: MoneyUnit | None) -> MoneyReading:
    if is_blank(raw):
        return MoneyReading(raw, remark=MoneyRemark.BLANK)
    text = _ASIDE.sub(r"\1", clean_text(raw).strip("'\"=").strip().replace("．", "."))
    if _SCIENTIFIC.fullmatch(text):
        return _judged(raw, Decimal(text), column_unit or MoneyUnit.YUAN, 0.7, MoneyRemark.SCIENTIFIC)
    for remark, pattern in (
        (MoneyRemark.FOREIGN, _FOREIGN),
        (MoneyRemark.BOUND_ONLY, _BOUND),
        (MoneyRemark.PER_UNIT, _RATE),
    ):
        if pattern.search(text):
            return MoneyReading(raw, remark=remark)
    if _RANGE.search(text):
        return MoneyReading(raw, remark=MoneyRemark.RANGE)
    if _SEVERAL.search(text):
        return MoneyReading(raw, remark=MoneyRemark.SEVERAL)
    return _single(raw, text, column_unit)


def _single(raw: str, text: str, column_unit: MoneyUnit | None) -> MoneyReading:
    signed = "¥" in text or "￥" in text
    text = _AFFIXES.sub("", text)
    if signed:
        text = text.lstrip("¥￥ ")
    vague = MoneyRemark.APPROXIMATE if _VAGUE.search(text) else None
    text = _VAGUE.sub("", text).strip()
    if found := _UNIT_TAIL.search(text):
        return _with_unit(raw, text[: found.start()], found, vague)
    value = parse_number(text)
    if value is None:
        return MoneyReading(raw, remark=MoneyRemark.UNREADABLE)
    if signed:
        return _judged(raw, value, MoneyUnit.YUAN, 0.8, vague or MoneyRemark.UNIT_IN_CELL)
    if "万" in text or "亿" in text or text[:1] in NUMERAL_CHARACTERS - set("0123456789."):
        # A scale word in the figure itself (3万, 贰万) speaks of yuan, whatever the header says.
        return _judged(raw, value, MoneyUnit.YUAN, 0.85, vague or MoneyRemark.UNIT_IN_CELL)
    bare = _bare(raw, value, column_unit)
    return MoneyReading(raw, bare.yuan, bare.unit, 0.6, vague) if vague and bare.yuan is not None else bare


def _with_unit(raw: str, number: str, found: re.Match[str], vague: MoneyRemark | None) -> MoneyReading:
    scale = {"万": MoneyUnit.WAN, "亿": MoneyUnit.YI}.get(found["wan"], MoneyUnit.YUAN)
    value, small = parse_number(number.strip()), _small_money(found["small"])
    if value is None and scale is not MoneyUnit.YUAN:
        value = parse_number(number.strip() + found["wan"])
        scale = MoneyUnit.YUAN
    if value is None or small is None:
        return MoneyReading(raw, remark=MoneyRemark.UNREADABLE)
    yuan = _EXACT.add(_EXACT.multiply(value, scale.in_yuan), small)
    reading = _judged(raw, yuan, MoneyUnit.YUAN, 0.6 if vague else 0.95, vague or MoneyRemark.UNIT_IN_CELL)
    return MoneyReading(
        raw, reading.yuan, scale if reading.yuan is not None else None, reading.confidence, reading.remark
    )


def _small_money(text: str) -> Decimal | None:
    """Return 角, 分 and 厘 after the yuan in yuan; 0 for nothing or a closing word; None for other words."""
    text = text.strip().strip("。.()（）")
    found = _SMALL.fullmatch(text)
    if found is None:
        return None
    total = Decimal(0)
    for name, places in (("jiao", -1), ("fen", -2), ("li", -3)):
        if found[name]:
            part = parse_number(found[name])
            if part is None:
                return None
            total = _EXACT.add(total, part.scaleb(places, _EXACT))
    return total


def _bare(raw: str, value: Decimal, column_unit: MoneyUnit | None) -> MoneyReading:
    if column_unit is None:
        return _judged(raw, value, MoneyUnit.YUAN, 0.5, MoneyRemark.UNIT_DOUBTFUL if value else None)
    # A whole figure of a thousand and more in a 万元 column is more often yuan than a fine of ten millions.
    if column_unit is MoneyUnit.WAN and value >= 1000 and value == value.to_integral_value():
        return _judged(raw, value, column_unit, 0.4, MoneyRemark.UNIT_DOUBTFUL)
    return _judged(raw, value, column_unit, 1.0, None)


def _judged(raw: str, value: Decimal, unit: MoneyUnit, confidence: float, remark: MoneyRemark | None) -> MoneyReading:
    yuan = _EXACT.multiply(value, unit.in_yuan)
    if yuan < 0:
        return MoneyReading(raw, remark=MoneyRemark.NEGATIVE)
    if yuan > LARGEST:
        return MoneyReading(raw, remark=MoneyRemark.TOO_LARGE)
    kept = _uniform(yuan)
    if kept != yuan:
        # Spreadsheets leave 0.30000000000000004; a thousandth of a fen is nobody's fine.
        remark = remark or MoneyRemark.ROUNDED
    return MoneyReading(raw, kept, unit, confidence, remark)


def _uniform(yuan: Decimal) -> Decimal:
    """Return the amount rounded to 毫, without trailing zeros or exponent, so that equal amounts print the same."""
    rounded = yuan.quantize(HAO, ROUND_HALF_EVEN, _EXACT)
    whole = rounded.to_integral_value()
    return whole if whole == rounded else rounded.normalize(_EXACT)


def money_text(yuan: Decimal) -> str:
    """Return the amount as the interface writes it: plain digits, no exponent, no trailing zeros (`20000`, `0.96`)."""
    return format(_uniform(yuan), "f")
