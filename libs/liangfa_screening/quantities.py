"""Figures with units in Chinese text: 3万余元, 贰拾吨, 1,200.50元, 十二名, 5至8公斤, each with the place it stands.

Values are in base units: yuan, kilogram, mu, cubic metre, hour, pieces. Positions are those of the original text:
normalisation maps one character to one character. How a figure is qualified (不足, 近, 以下, 5至8) and what role it has
(a fine, a price, a legal limit) is part of what is found, because the same number means different things.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from liangfa_standards.numerals import parse_number

_HALF_WIDTH = {
    **{0xFF10 + i: 0x30 + i for i in range(10)},
    **{0xFF21 + i: 0x41 + i for i in range(26)},
    **{0xFF41 + i: 0x61 + i for i in range(26)},
    0xFF05: 0x25, 0xFF0E: 0x2E, 0x3000: 0x20, 0xA0: 0x20, 0xFFE5: 0xA5, 0xFF0F: 0x2F, 0x5706: 0x5143,
    0x3B: 0xFF1B, 0x3A: 0xFF1A, 0x28: 0xFF08, 0x29: 0xFF09, 0xFF61: 0x3002,
}  # fmt: skip
_ODD = re.compile(f"[{''.join(re.escape(chr(code)) for code in _HALF_WIDTH)}]")
_THOUSANDS = re.compile(r"(?<=\d)，(?=\d{3}(?!\d))")
_WRITTEN_COMMA = re.compile(r"(?<!\d)[,](?=.)|[,](?!\d{3}(?!\d))")


def normalised(text: str) -> str:
    """Return `text` with letters and digits half-width and punctuation full-width; same length, so positions stay.

    A comma between digits is a thousands separator and stays as it is. 圆 becomes 元.
    """
    if _ODD.search(text):
        text = text.translate(_HALF_WIDTH)
    if _THOUSANDS.search(text):
        text = _THOUSANDS.sub(",", text)
    return _WRITTEN_COMMA.sub("，", text) if "," in text else text


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit's class and its factor to the class's base unit."""

    kind: str
    factor: float = 1.0


def _units(kind: str, words: str, factor: float = 1.0) -> dict[str, Unit]:
    return {word: Unit(kind, factor) for word in words.split()}


UNITS: dict[str, Unit] = {
    **_units("money", "元 块钱 人民币 （元）"),
    **_units("kg", "吨", 1000), **_units("kg", "公斤 千克 kg KG Kg ㎏"), **_units("kg", "斤 市斤", 0.5),
    **_units("kg", "克 g", 0.001), **_units("kg", "毫克 mg", 0.000001),
    **_units("mu", "亩"), **_units("mu", "公顷", 15), **_units("mu", "平方米 平米 ㎡ m²", 0.0015),
    **_units("m3", "立方米 立方 m³ 方"),
    **_units("litre", "升 L 公升"),
    **_units("hour", "小时 个小时"), **_units("hour", "天", 24),
    **_units("month", "个月 个半月"), **_units("year", "年"),
    **_units("percent", "%"), **_units("multiple", "倍"), **_units("metre", "米"), **_units("watt", "瓦 W"),
    **_units("watt", "千瓦 kW KW", 1000),
    **_units("times", "人次 次 笔 起 单 例 趟"), **_units("person", "人 名 余人 位"), **_units("household", "户 家"),
    **_units("stick", "支"), **_units("strip", "条"), **_units("box", "箱"),
    **_units("piece", "件 个 根 把 块 顶 艘 处 枝"), **_units("machine", "台 套 部 辆"),
    **_units("copy", "份 张 册 本 盒 盘 枚 套书 枚雷管 发 篇 首"),
    **_units("plant", "株 棵"), **_units("animal", "只 头 尾 羽"),
    **_units("bottle", "瓶 袋 桶 粒 双 罐 听 包 板 片 颗"),
    **_units("level", "级 层 层级 个层级 个等级"), **_units("kind", "种 款 批 项 组"), **_units("group", "群 所"),
}  # fmt: skip
KINDS = frozenset(unit.kind for unit in UNITS.values())
"""The classes of figures, for a lexicon's `kinds`."""

_LONGEST_UNIT = max(map(len, UNITS))
_ARABIC = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_CHINESE = "零〇一二两三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟"
_RUN = re.compile(rf"(?:{_ARABIC}|[{_CHINESE}几半]|数(?!\d))(?:{_ARABIC}|[{_CHINESE}余多几来点]|\s(?=[万亿]))*")
_BARE = re.compile(
    rf"(?:{_ARABIC}|[一二两三四五六七八九十百千几]+)[万亿](?:[一二两三四五六七八九]千?)?(?:[一二三四五六七八九]百)?[多余]?"
)
_MONEY_TAIL = frozenset("万亿多余")
_TO = frozenset("至到-~～—－–、")
_SCALES = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000, "拾": 10, "佰": 100, "仟": 1000}
_SIMPLE = re.compile(r"(\d+(?:\.\d+)?)(万?)$")
_VAGUE = str.maketrans("", "", "余多几来数 ")
_TWO_DIGITS = re.compile(r"([一二两三四五六七八])([二两三四五六七八九])([十百千万亿]*)$")
_DIGITS = {**{character: place for place, character in enumerate("一二三四五六七八九", 1)}, "两": 2}
_TAIL = re.compile(r"[十百千万亿余多几]+$")
_LOOSE_UNITS = frozenset("方起单本位")
_LOOSE_NUMBERS = frozenset("一两三百千万十")
_LESS = re.compile(r"(?:不足|不满|未满|不到|未达到?|低于|少于|小于|未超过|不超过|将近|接近|近)(?:人民币)?$")
_RELATIVE = frozenset({"multiple", "percent"})
_RECENT = frozenset({"year", "month", "hour"})
_LESS_AFTER = re.compile(r"^(?:以下|以内|之内|不到)")
_TOTAL = re.compile(r"(?:共计?|合计|总计|累计|总共|总额|总金额|总价值?|总量|总数|共有|总货值|总重)[^\d，。；]{0,8}$")
_PRICE_BEFORE = re.compile(
    r"(?:每[^\d，。；]{0,6}|单价|定价|标价|零售价|批发价|进价|均价|价格为?|售价为?|以)(?:人民币)?$"
)
_PRICE_AFTER = re.compile(r"^(?:/|／|一[瓶条箱盒斤个件只张份吨本台次袋支双套]|每|的?价格|的?单价|的?低价|不等)")
_FINE_BEFORE = re.compile(
    r"(?:罚款|罚金|罚没(?:款|金额)?|并处|处以|没收(?!违法|非法|其|上述|全部|当事人)|滞纳金|(?<!好)(?<!查)(?<!多)处(?=[^理置罚费，。；]{0,3}$))[^\d，。；]{0,10}$"
)
_CAPITAL_BEFORE = re.compile(r"(?:注册资[本金]|实缴资本|认缴|奖励|保证金|合同[价金]额?)[^\d，。；]{0,8}$")
_FINE_AFTER = re.compile(r"^(?:人民币)?[^，。；\d]{0,3}(?:的)?(?:罚款|罚金|行政处罚|罚没款|滞纳金|注册资本)")
_LIMIT_BEFORE = re.compile(
    r"(?:限[值量]|标准(?:值|限值)?(?!核定|认定|计算|核算|折算|评估)|≤|≥|<|>|不得(?:超过|大于|少于)|不应(?:超过|大于)|应(?:不|为)|规定为|最高(?:允许|限)[^，。；]{0,4}|"
    r"起[刑诉]点|追诉标准)[^\d，。；]{0,6}$"
)
_NO_UNIT_AFTER = {
    "部": "分门位长", "次": "性品数日", "起": "来到草", "方": "面式案程法便向针", "人": "员民士份才体", "名": "义称牌为下誉", "级": "别",
    "层": "级", "项": "目", "组": "织", "家": "属庭长具电", "件": "号", "位": "置于", "个": "人体别", "单": "位独价", "头": "部",
    "发": "票现货展生放布出电酵",
    "本": "案人地院局省市县次机店公金科身", "张": "某贴", "包": "装工括", "块": "链", "例": "如外", "处": "罚理置以",
    "首": "次先都", "只": "有是能", "条": "件例款规", "所": "有谓得在",
    "套": "取现路牌", "把": "关握", "板": "块", "年": "度检龄", "片": "区",
    "米": "粉饭面",
}  # fmt: skip
"""Characters after a unit that show that it is none: 一部分, 一次性, 三方面, 两人员."""


class Quantity(NamedTuple):
    """A figure: `value` in base units of `kind`; `unit` as written; characters `start` to `end` of the text.

    `value` is the low end of a range, `high` its high end. `is_less` says that the true figure lies below `value`
    (不足, 近, 以下). `role` is empty for a figure of the case, otherwise `price` (of one piece), `fine`,
    `capital` (also contracts and deposits), `limit` (what the law allows) or `elsewhere` (told of others).
    """

    value: float
    kind: str
    unit: str
    start: int
    end: int
    is_total: bool = False
    is_less: bool = False
    role: str = ""
    high: float | None = None

    @property
    def is_price(self) -> bool:
        """Whether it is the price of one piece."""
        return self.role == "price"


@lru_cache(maxsize=8192)
def number(text: str) -> tuple[float, float | None] | None:
    """Return the value of a written number and, for two digits in a row (两三万), its high end; None when it is none.

    Vague words count low: 5万余 is 50,000, 数十万 is 200,000, 十几 is 10, 上百 is 100, 万余 is 10,000.
    """
    simple = _SIMPLE.match(text)
    if simple is not None:
        return float(simple[1]) * (10_000 if simple[2] else 1), None
    plain = text.replace(" ", "").rstrip("点").translate(_VAGUE)
    if text[0] in "几数":
        value = _parsed(plain) if plain else 1.0
        return None if value is None else (value * 2, None)
    if plain == "半":
        return 0.5, None
    two = _TWO_DIGITS.match(plain)
    if two is not None and _DIGITS[two[2]] - _DIGITS[two[1]] == 1:
        low, high = _parsed(two[1] + two[3]), _parsed(two[2] + two[3])
        return None if low is None or high is None else (low, high)
    value = _parsed(plain)
    return None if value is None else (value, None)


def _parsed(text: str) -> float | None:
    value = parse_number(text)
    if value is None and text and text[0] in _SCALES:
        value = parse_number("一" + text)
    return None if value is None else float(value)


def _scale(text: str) -> float:
    value = 1.0
    for character in text:
        value *= _SCALES[character]
    return value


def find_quantities(text: str) -> list[Quantity]:
    """Return the figures of a normalised text, in order. Dates and document numbers are not among them."""
    found: list[Quantity] = []
    last: re.Match[str] | None = None
    last_end = -1
    for run in _RUN.finditer(text):
        start, end = run.span()
        word = _unit_at(text, end)
        quantity = None
        if word:
            quantity = _quantity(run, word, last if last_end == start - 1 else None, text)
        elif text[end - 1] in _MONEY_TAIL or (start and text[start - 1] in "¥ "):
            quantity = _bare(run, text)
        if quantity is not None:
            if found and found[-1].start == quantity.start:
                found.pop()  # it is the low end of this range
            found.append(quantity)
        last, last_end = run, end + len(word.strip())
    return found


def _unit_at(text: str, place: int) -> str:
    """Return the unit that begins at `place`, with a blank before it if there is one; empty when there is none."""
    blank = 1 if text[place : place + 1] == " " else 0
    for length in range(_LONGEST_UNIT, 0, -1):
        word = text[place + blank : place + blank + length]
        if len(word) == length and word in UNITS:
            return " " * blank + word
    return ""


def _bare(run: re.Match[str], text: str) -> Quantity | None:
    """Return an amount that goes without 元: 12.5万, ¥5,000."""
    start, end = run.span()
    mark = start - 1 if text[start - 1 : start] == "¥" else start - 2 if text[max(0, start - 2) : start] == "¥ " else -1
    if mark < 0 and not (_BARE.fullmatch(run[0]) and (end == len(text) or text[end] in "，。；、）（\n 的")):
        return None
    parsed = number(run[0])
    return None if parsed is None else _marked(parsed[0], "money", "元", (start if mark < 0 else mark, end), text)


def _quantity(run: re.Match[str], word: str, previous: re.Match[str] | None, text: str) -> Quantity | None:
    written, start, end = run[0], run.start(), run.end() + len(word)
    word = word.strip()
    unit = UNITS[word]
    parsed = number(written)
    if parsed is None or _is_no_figure(text, start, end, word, written, parsed[0]):
        return None
    value, high = parsed
    if word == "个半月":
        value += 0.5
    if previous is not None and high is None and text[start - 1] in _TO:
        low = _low_end(previous, written, value, text[start - 1], text)
        if low is not None:
            value, high, start = low, value, previous.start()
    if value > 1e15:
        return None
    high = None if high is None else high * unit.factor
    return _marked(value * unit.factor, unit.kind, word, (start, end), text, high)


def _low_end(previous: re.Match[str], written: str, value: float, to: str, text: str) -> float | None:
    """Return the low end of 3至5万元 (30,000), 3万至5万元, 5、6名; None when the two numbers are no range."""
    first = number(previous[0])
    if first is None:
        return None
    low, scale = first[0], 1.0
    has_unit = text[previous.end() : previous.end() + 1] != to
    if not has_unit and previous[0][-1] not in _SCALES:
        tail = _TAIL.search(written)
        scale = _scale(tail[0].translate(_VAGUE)) if tail is not None else 1.0
        low *= scale
    if to == "、" and (has_unit or value - low != scale):
        return None
    return low if low < value else None


def _is_no_figure(text: str, start: int, end: int, word: str, written: str, value: float) -> bool:
    following = text[end : end + 1]
    if following and following in _NO_UNIT_AFTER.get(word, ""):
        return True
    kind = UNITS[word].kind
    if start and text[start - 1] in "第/":
        return True
    if kind == "year":
        return value > 100 or following.isdigit()
    if following == "/" and kind != "money":
        return True  # a rate: 3公斤/亩, 0.4克/千克
    return word in _LOOSE_UNITS and written in _LOOSE_NUMBERS


def _marked(
    value: float, kind: str, unit: str, place: tuple[int, int], text: str, high: float | None = None
) -> Quantity:
    start, end = place
    before, after = text[max(0, start - 18) : start], text[end : end + 8]
    less = _LESS.search(before)
    is_less = less is not None and not (less[0].startswith("近") and kind in _RECENT)
    is_less = is_less or _LESS_AFTER.match(after) is not None
    return Quantity(
        value, kind, unit, start, end,
        is_total=_TOTAL.search(before) is not None,
        is_less=is_less,
        role=_role(kind, before, after),
        high=high,
    )  # fmt: skip


def _role(kind: str, before: str, after: str) -> str:
    if kind == "money":
        if _FINE_BEFORE.search(before) or _FINE_AFTER.match(after):
            return "fine"
        if _CAPITAL_BEFORE.search(before):
            return "capital"
        if _PRICE_AFTER.match(after) or _PRICE_BEFORE.search(before):
            return "price"
    return "limit" if kind not in _RELATIVE and _LIMIT_BEFORE.search(before) else ""
