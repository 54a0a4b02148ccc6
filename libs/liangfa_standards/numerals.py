"""Numerals: Arabic, Chinese (小写 and 大写) and mixed. Words around a number are not the business of this module."""

from __future__ import annotations

import re
from decimal import Context, Decimal
from functools import lru_cache
from itertools import pairwise

MAX_LENGTH = 64
"""Longer texts are no numeral; it bounds the cost of a hostile cell."""

DIGITS: dict[str, int] = {
    **dict(zip("〇零一二三四五六七八九", (0, *range(10)), strict=True)),
    **dict(zip("壹贰叁肆伍陆柒捌玖", range(1, 10), strict=True)),
    **dict(zip("貳參叄陸弌弍弎两兩○", (2, 3, 3, 6, 1, 2, 3, 2, 2, 0), strict=True)),
}
UNITS: dict[str, int] = dict(
    zip("十拾百佰千仟万萬亿億", (10, 10, 100, 100, 1000, 1000, 10**4, 10**4, 10**8, 10**8), strict=True)
)
NUMERAL_CHARACTERS = frozenset("0123456789０１２３４５６７８９.．点點廿卅") | DIGITS.keys() | UNITS.keys()
"""Characters a number consists of (separators and signs apart), for finding numerals in running text."""

_FOLD = str.maketrans(
    "０１２３４５６７８９．，％＋－−﹣負點萬億佰仟拾貳參叄陸兩○",
    "0123456789.,%+---负点万亿百千十贰叁叁陆两〇",
)
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_ARABIC = re.compile(r"[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?")
_RATIOS = {"百分之": -2, "千分之": -3, "万分之": -4}
_SUFFIXES = {"%": -2, "‰": -3, "‱": -4}
# Exact for every text of MAX_LENGTH characters, whatever context the caller has set.
_EXACT = Context(prec=160, traps=[])


def parse_number(text: str) -> Decimal | None:
    """Return the exact number that the whole of `text` writes, or None when it is not one numeral.

    Arabic (`20,000.00`, full-width too), Chinese (`三万五千`, `贰万`, `七万零七百七十一`, `十二点五`, `二〇一七`),
    mixed (`1.45万`, `3千`, `2亿3000万`), shares (`百分之三十`, `30%` → 0.3) and a leading sign. As spoken, a last digit
    without its unit counts the next lower one: `三万五` is 35,000, `三万零五` is 30,005. None for units alone (`万`),
    vague counts (`几`, `十余`), ranges, scientific notation, misplaced separators (`1,23`) and texts over 64
    characters. Never raises.
    """
    if len(text) > MAX_LENGTH:
        return None
    if _PLAIN.fullmatch(text):
        return Decimal(text)
    return _slowly(text)


@lru_cache(maxsize=4096)
def _slowly(text: str) -> Decimal | None:
    folded = text.translate(_FOLD).strip()
    sign = 1
    if folded[:1] in {"-", "+", "负"}:
        sign = 1 if folded[0] == "+" else -1
        folded = folded[1:].lstrip()
    value = _ratio(folded)
    return None if value is None else _EXACT.multiply(value, Decimal(sign))


def _ratio(text: str) -> Decimal | None:
    for prefix, places in _RATIOS.items():
        if text.startswith(prefix):
            rest = text[len(prefix) :]
            part = Decimal(100) if rest in {"百", "一百"} else _cardinal(rest)
            return None if part is None else part.scaleb(places, _EXACT)
    if text[-1:] in _SUFFIXES:
        part = _cardinal(text[:-1].rstrip())
        return None if part is None else part.scaleb(_SUFFIXES[text[-1]], _EXACT)
    return _cardinal(text)


def _cardinal(text: str) -> Decimal | None:
    # A blank beside a Chinese unit is typing; a blank between two Arabic digits may be two numbers run together.
    if " " in text or "\u3000" in text:
        parts = text.split()
        if any(a[-1].isdigit() and b[0].isdigit() for a, b in pairwise(parts)):
            return None
        text = "".join(parts)
    if _PLAIN.fullmatch(text) or _GROUPED.fullmatch(text):
        return Decimal(text.replace(",", ""))
    return None if text in {"百", "千", "万", "亿"} else _large(text, "亿", 100_000_000)


def _large(text: str, mark: str, unit: int) -> Decimal | None:
    """Return the value of `text`, split at its last 亿 (then 万): what stands left of it counts in that unit."""
    left, found, right = text.rpartition(mark)
    if not found:
        return _large(text, "万", 10_000) if mark == "亿" else _section(text)
    whole = _section(left) if mark == "万" else _large(left, "万", 10_000)
    rest = _remainder(right, mark, unit)
    if whole is None or rest is None:
        return None
    return _EXACT.add(_EXACT.multiply(whole, Decimal(unit)), rest)


def _remainder(right: str, mark: str, unit: int) -> Decimal | None:
    if not right:
        return Decimal(0)
    lone = _digit(right)
    if lone is not None:
        return Decimal(lone * unit // 10)
    rest = _large(right.removeprefix("零"), "万", 10_000) if mark == "亿" else _section(right.removeprefix("零"))
    return rest if rest is not None and rest < unit else None


def _digit(text: str) -> int | None:
    """Return the value of a single digit 1-9, in either script."""
    if len(text) != 1:
        return None
    value = DIGITS.get(text) if text not in "123456789" else int(text)
    return value or None


def _section(text: str) -> Decimal | None:
    """Return the value of a numeral without 万 and 亿: `三千零五`, `1.45`, `3千2百`, `十二点五`, `二〇一七`."""
    if _ARABIC.fullmatch(text):
        return Decimal(text.replace(",", "")) if _PLAIN.fullmatch(text) or _GROUPED.fullmatch(text) else None
    whole, point, fraction = text.partition("点")
    if not point:
        return _whole_section(text)
    head, tail = _whole_section(whole), _positional(fraction)
    if head is None or tail is None:
        return None
    return _EXACT.add(head, Decimal(tail).scaleb(-len(tail), _EXACT))


def _positional(text: str) -> str | None:
    """Return the digits of a run of digit characters, `五零` as `50`; None when another character is among them."""
    digits = [c if c in "0123456789" else DIGITS.get(c) for c in text]
    return None if not digits or None in digits else "".join(map(str, digits))


def _whole_section(text: str) -> Decimal | None:
    if len(text) > 1 or text in DIGITS:
        run = _positional(text)
        if run is not None:
            return Decimal(run)
    return _with_units(text)


_TENS = {"廿": 20, "卅": 30}
_PART = re.compile(r"(零?)(?:([0-9]+(?:\.[0-9]+)?)|([一二三四五六七八九壹贰叁肆伍陆柒捌玖两]))?([十百千])|零?([廿卅])")


def _with_units(text: str) -> Decimal | None:
    """Return the value of `三千零五十二`: units must fall; a unit without a digit counts once."""
    total, position, lower = Decimal(0), 0, 10_000
    while (part := _PART.match(text, position)) is not None:
        if part[5]:
            unit, amount = 10, Decimal(_TENS[part[5]])
        else:
            unit = UNITS[part[4]]
            amount = _EXACT.multiply(_factor(part), Decimal(unit))
        if unit >= lower:
            return None
        total, lower, position = _EXACT.add(total, amount), unit, part.end()
    if position == 0:
        return None
    return _with_last_digit(total, lower, text[position:])


def _factor(part: re.Match[str]) -> Decimal:
    if part[2]:
        return Decimal(part[2])
    return Decimal(DIGITS[part[3]]) if part[3] else Decimal(1)


def _with_last_digit(total: Decimal, lower: int, rest: str) -> Decimal | None:
    if not rest:
        return total
    spoken = _digit(rest)
    if spoken is not None:
        return _EXACT.add(total, Decimal(spoken * lower // 10))
    tail = _positional(rest.removeprefix("零"))
    return _EXACT.add(total, Decimal(tail)) if tail is not None and int(tail) < lower else None
