"""Figures with units in Chinese text: 3万余元, 贰拾吨, 1,200.50元, 十二名, 5至8公斤, each with the place it stands.

Values are in base units: yuan, kilogram, mu, cubic metre, hour, pieces. Positions are those of the original text:
normalisation maps one character to one character.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HALF_WIDTH = {
    **{0xFF10 + i: 0x30 + i for i in range(10)},
    **{0xFF21 + i: 0x41 + i for i in range(26)},
    **{0xFF41 + i: 0x61 + i for i in range(26)},
    0xFF05: 0x25, 0xFF0E: 0x2E, 0x3000: 0x20, 0xA0: 0x20, 0xFFE5: 0xA5, 0xFF0F: 0x2F,
    0x3B: 0xFF1B, 0x3A: 0xFF1A, 0x28: 0xFF08, 0x29: 0xFF09, 0xFF61: 0x3002,
}  # fmt: skip
_THOUSANDS = re.compile(r"(?<=\d)，(?=\d{3}(?!\d))")
_WRITTEN_COMMA = re.compile(r"(?<!\d)[,](?=.)|[,](?!\d{3})")


def normalised(text: str) -> str:
    """Return `text` with letters and digits half-width and punctuation full-width; same length, so positions stay.

    A comma between digits is a thousands separator and stays as it is.
    """
    text = _THOUSANDS.sub(",", text.translate(_HALF_WIDTH))
    return _WRITTEN_COMMA.sub("，", text) if "," in text else text


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit's class and its factor to the class's base unit."""

    kind: str
    factor: float = 1.0


UNITS: dict[str, Unit] = {
    "元": Unit("money"), "块钱": Unit("money"), "人民币": Unit("money"),
    "吨": Unit("kg", 1000), "公斤": Unit("kg"), "千克": Unit("kg"), "kg": Unit("kg"), "KG": Unit("kg"), "Kg": Unit("kg"),
    "斤": Unit("kg", 0.5), "克": Unit("kg", 0.001), "g": Unit("kg", 0.001),
    "亩": Unit("mu"), "公顷": Unit("mu", 15), "平方米": Unit("mu", 0.0015), "平米": Unit("mu", 0.0015),
    "㎡": Unit("mu", 0.0015), "m²": Unit("mu", 0.0015),
    "立方米": Unit("m3"), "立方": Unit("m3"), "m³": Unit("m3"), "方": Unit("m3"),
    "小时": Unit("hour"), "个小时": Unit("hour"), "天": Unit("hour", 24),
    "个月": Unit("month"), "年": Unit("year"),
    "%": Unit("percent"), "倍": Unit("multiple"), "米": Unit("metre"), "瓦": Unit("watt"), "千瓦": Unit("watt", 1000),
    "W": Unit("watt"), "kW": Unit("watt", 1000),
    "人次": Unit("times"), "次": Unit("times"), "人": Unit("person"), "名": Unit("person"), "余人": Unit("person"),
    "位": Unit("person"), "户": Unit("household"), "家": Unit("household"),
    "支": Unit("stick"), "条": Unit("strip"), "箱": Unit("box"), "件": Unit("piece"), "个": Unit("piece"),
    "台": Unit("machine"), "套": Unit("machine"), "部": Unit("machine"), "辆": Unit("machine"),
    "份": Unit("copy"), "张": Unit("copy"), "册": Unit("copy"), "本": Unit("copy"), "盒": Unit("copy"), "盘": Unit("copy"),
    "枚": Unit("copy"), "套书": Unit("copy"),
    "株": Unit("plant"), "棵": Unit("plant"), "只": Unit("animal"), "头": Unit("animal"), "尾": Unit("animal"),
    "瓶": Unit("bottle"), "袋": Unit("bottle"), "桶": Unit("bottle"), "粒": Unit("bottle"), "双": Unit("bottle"),
    "级": Unit("level"), "层": Unit("level"), "种": Unit("kind"), "款": Unit("kind"), "枚雷管": Unit("copy"),
    "笔": Unit("times"), "起": Unit("times"), "单": Unit("times"), "批": Unit("kind"), "群": Unit("group"),
    "所": Unit("group"), "项": Unit("kind"), "组": Unit("kind"), "发": Unit("copy"),
}  # fmt: skip

KINDS = frozenset(unit.kind for unit in UNITS.values())
"""The classes of figures, for a lexicon's `kinds`."""

_ARABIC = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_CHINESE = "零〇一二两三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟"
_NUMBER = rf"(?P<arabic>{_ARABIC})\s?(?P<scale>[十百千万亿]{{0,3}})|(?P<chinese>[{_CHINESE}]+(?:点[{_CHINESE}]+)?)"
_UNIT = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
_QUANTITY = re.compile(rf"(?:{_NUMBER})\s?(?P<more>[多余几]?)(?P<scale2>[千万亿]?)(?P<more2>[多余]?)\s?(?P<unit>{_UNIT})")
_BARE_MONEY = re.compile(rf"(?P<arabic>{_ARABIC})(?P<scale>[万亿])(?P<more>[多余]?)(?=[，。；、）\s]|$)")
_HUNDRED_MILLIONS = re.compile(r"(\d+)亿$")
_SCALES = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000, "拾": 10, "佰": 100, "仟": 1000}
_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2} | {
    c: i for i, c in enumerate("零壹贰叁肆伍陆柒捌玖")
}  # fmt: skip
_LESS = re.compile(r"(?:不足|不满|未满|不到|未达到?|低于|少于|小于)(?:人民币)?$")
_TOTAL = re.compile(r"(?:共计?|合计|总计|累计|总共|总额|总金额|总价值?|总量|总数|共有)[^\d，。；]{0,8}$")
_PRICE_BEFORE = re.compile(r"(?:每[^\d，。；]{0,6}|单价|定价|标价|零售价|批发价|进价|均价|价格为?|售价为?|以)$")
_PRICE_AFTER = re.compile(r"^(?:/|一[瓶条箱盒斤个件只张份吨本台次袋支]|每|的?价格|的?单价|的?低价)")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A figure: `value` in base units of `kind`; `unit` as written; characters `start` to `end` of the text."""

    value: float
    kind: str
    unit: str
    start: int
    end: int
    is_total: bool = False
    is_price: bool = False
    is_less: bool = False


def chinese_number(text: str) -> float | None:
    """Return the value of a number in Chinese characters (三万五千, 贰拾, 十二点五); None when it is none."""
    whole, _, fraction = text.partition("点")
    total = section = digit = 0.0
    seen = False
    for character in whole:
        if character in _DIGITS:
            digit = _DIGITS[character] if not seen or digit == 0 else digit * 10 + _DIGITS[character]
            seen = True
        else:
            scale = _SCALES[character]
            if scale >= 10_000:
                total = (total + section + digit) * scale if total and scale > total else total + (section + digit) * scale
                if section + digit == 0 and total == 0:
                    return None
                section = 0
            else:
                section += (digit if seen and digit else 1 if not section and not digit else digit) * scale
            digit, seen = 0, False
    value = total + section + digit
    if fraction:
        value += float("0." + "".join(str(_DIGITS.get(c, 0)) for c in fraction))
    return value


def _scale(text: str) -> float:
    value = 1.0
    for character in text:
        value *= _SCALES[character]
    return value


def find_quantities(text: str) -> list[Quantity]:
    """Return the figures of a normalised text, in order. Dates and document numbers are not among them."""
    found = [q for match in _QUANTITY.finditer(text) if (q := _quantity(match, text))]
    for match in _BARE_MONEY.finditer(text):
        value = float(match["arabic"].replace(",", "")) * _scale(match["scale"])
        found.append(_marked(value, "money", "万", match.start(), match.end(), text))
    found.sort(key=lambda q: q.start)
    return found


def _quantity(match: re.Match[str], text: str) -> Quantity | None:
    if match["arabic"] is not None:
        value: float | None = float(match["arabic"].replace(",", "")) * _scale(match["scale"])
    else:
        value = chinese_number(match["chinese"])
    if value is None or value > 1e15:
        return None
    value *= _scale(match["scale2"])
    if value < 100_000_000 and (hundreds := _HUNDRED_MILLIONS.search(text[max(0, match.start() - 8) : match.start()])):
        value += float(hundreds[1]) * 100_000_000
    unit = UNITS[match["unit"]]
    if unit.kind == "year" and (value > 100 or text[match.end() : match.end() + 1].isdigit()):
        return None
    return _marked(value * unit.factor, unit.kind, match["unit"], match.start(), match.end(), text)


def _marked(value: float, kind: str, unit: str, start: int, end: int, text: str) -> Quantity:
    before = text[max(0, start - 14) : start]
    is_price = kind == "money" and bool(_PRICE_AFTER.match(text[end : end + 4]) or _PRICE_BEFORE.search(before))
    return Quantity(value, kind, unit, start, end, bool(_TOTAL.search(before)), is_price, bool(_LESS.search(before)))
