"""What a text tells of others and what it tells only to rule it out: statistics, another company, a complaint not borne out."""

from __future__ import annotations

import re

from liangfa_screening.needles import needles

_OTHERS = re.compile(
    r"据统计|另案当事人|另一起案件|另一家[^，。；]{0,6}(?:企业|公司|单位|工厂)|(?:其他|同类|外地|外省)(?:企业|公司|单位|工厂)[^，。；]{0,6}(?:发生|曾)|"
    r"(?:全国|全省|全市|全县|全区|全系统|该院|该局|我院|我局)[^，。；]{0,16}(?:共|累计|先后|陆续)[^，。；]{0,6}(?:办理|查办|查处|检查|开展|立案|收缴|移送|排查|取缔)"
)
_CLEARED = re.compile(
    "[为呈]阴性|低于[^，。；]{0,16}限[值量]|未见[^。；]{0,20}(?:设备|设施|痕迹|工具|装置)|不属实|查否|不成立|予以排除|未检出|均合格|检[测验][^。；]{0,12}(?:合格|正常)|符合[^，。；]{0,12}(?:标准|规定|要求)|来源(?:合法|清楚|正常)|(?:核实|查实|查明)[^。；]{0,12}(?:不存在|并无|没有)"
)
WORDS_OF_OTHERS = needles(_OTHERS.pattern) or frozenset()
"""One of them stands in every text that tells of others: what to look for first."""
WORDS_OF_CLEARING = needles(_CLEARED.pattern) or frozenset()
"""One of them stands in every text whose inquiry does not bear a complaint out."""


def about_others(text: str) -> list[tuple[int, int]]:
    """Return where a text tells of others: statistics of a bulletin, another company's accident; to the sentence's end."""
    found = []
    for match in _OTHERS.finditer(text):
        ends = [place for mark in "。\n" if (place := text.find(mark, match.end())) >= 0]
        found.append((match.start(), min(ends, default=len(text))))
    return found


def last_clearing(text: str) -> int:
    """Return where the last words stand that say of a complaint that it was not borne out; -1 when there are none."""
    return max((match.start() for match in _CLEARED.finditer(text)), default=-1)
