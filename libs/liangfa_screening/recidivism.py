"""Earlier penalties as a narrative tells them: 2022年因…被罚款，2023年再次查获. How many, and how long ago."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from liangfa_screening.extraction import FactFound, Text

_WINDOWS = {
    "prior_admin_penalties_1y": 1,
    "prior_admin_penalties_2y": 2,
    "prior_admin_penalties_3y": 3,
    "prior_admin_penalties_5y": 5,
    "prior_admin_penalties_total": 200,
}
PRIOR_PENALTIES = frozenset(_WINDOWS)
"""The facts that count earlier penalties."""
_PUNISHED = r"(?:被|受(?:到|过)?|予以|给予|作出|遭|由)[^。；]{0,22}?(?:行政)?(?:处罚|罚款|罚过|罚(?=[后了，。；])|查处|处理过|罚没|处以)"
_YEARS = r"(?:19|20)\d\d年(?:度)?(?:\d{1,2}月)?(?:份)?(?:\d{1,2}日)?(?:以来)?"
_MONTH = r"\d{1,2}月(?:\d{1,2}日)?"
_TOLD_TIMES = r"(?:行政处罚|处罚|罚款|罚|查处)过?[两二三四234]次"
_MENTION = re.compile(
    rf"(?P<years>{_YEARS}(?:[、，和及与]+(?:{_YEARS}|{_MONTH}))*)[^。；]{{0,40}}?{_PUNISHED}"
    rf"|(?P<told>(?:曾(?!某|.某)(?:经|于)?|此前|之前|先前|前期|去年|前年|上一?年度?|[一二两三12３]年(?:内|前)|多次|屡次|[两二三23]次因)[^。；]{{0,30}}?(?:{_PUNISHED}|受罚|挨罚)|{_TOLD_TIMES})"
)
_ORDINAL = re.compile(rf"第(?P<ordinal>[一二三四])次(?:{_PUNISHED}|(?:行政)?处罚|罚款|查处|罚没)")
_ORDINALS = {"一": 1, "二": 2, "三": 3, "四": 4}
_DATE = re.compile(r"(?:(?:19|20)(?P<year>\d\d)年)?(?:(?P<month>\d{1,2})月)?(?:份)?(?:\d{1,2}日)?")
_LATER = re.compile(r"\d{1,2}月|(?:19|20)\d\d年|次年|今年")
_AGAIN = re.compile(r"再次|又(?:因|被|从事|在|销售|实施|开|擅自)|仍|继续|重操旧业|第[二三四]次|屡教")
_EARLIER = re.compile(r"曾|此前|之前|先前|前两次|两次|二次|分别|先后|已被")
_YEAR = re.compile(r"(?:19|20)(\d\d)年")
_COUNT = re.compile(r"(?<!第)(两|二|2|三|3|四|4|多)次")
_COUNTS = {"两": 2, "二": 2, "2": 2, "三": 3, "3": 3, "四": 4, "4": 4, "多": 2}


def earlier_penalties(
    facts: dict[str, FactFound], wanted: AbstractSet[str], text: Text, labels: dict[str, str]
) -> None:
    """Set the counts of earlier penalties by their windows; where years are told they decide over what was read before.

    The present is the latest year that the text names; without years an earlier penalty counts in every window.
    """
    mentions = text.once("earlier penalties", lambda plain: list(_mentions(plain)))
    ordinal, place = text.once("ordinal penalties", _by_ordinal)
    if ordinal > sum(count for count, _, _ in mentions):
        mentions = [(ordinal, 0, place)]
    if not mentions:
        return
    years = [int(year) for year in _YEAR.findall(text.text)]
    present = max(years, default=0)
    for name in wanted & _WINDOWS.keys():
        counted = [(count, span) for count, year, span in mentions if not year or present - year <= _WINDOWS[name]]
        told = sum(count for count, _ in counted)
        is_dated = all(year for _, year, _ in mentions)
        before = facts.get(name)
        if told and (before is None or before.value < told or is_dated):
            start, end = counted[0][1]
            facts[name] = text.found(name, labels.get(name, name), told, start, end)
        elif not told and is_dated and before is not None:
            facts[name] = FactFound(name, labels.get(name, name), 0, origin="assumed")


def _mentions(text: str) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """Yield how many earlier penalties, in which year (two digits; 0: not told) and where."""
    for match in _MENTION.finditer(text):
        following = text[match.end() : match.end() + 80]
        if match["told"] is not None and (dated := _dates(match[0])):
            yield from ((1, year, match.span()) for year in dated)
            continue
        if match["told"] is not None:
            nearby = match[0] + text[match.end() : match.end() + 4]
            found = _COUNT.search(nearby)
            yield (_COUNTS[found[1]] if found else 1), 0, match.span()
            continue
        years = _dates(match["years"])
        if len(years) > 1 or _AGAIN.search(following) or _EARLIER.search(match[0]):
            found = _COUNT.search(match[0] + text[match.end() : match.end() + 4])
            times = _COUNTS[found[1]] if found and len(years) == 1 else 1
            for year in years:
                yield times, year, match.span()


def _by_ordinal(text: str) -> tuple[int, tuple[int, int]]:
    """Return how many earlier penalties 第二次罚款 tells of, and where; the last one told may be the present one."""
    last = max(_ORDINAL.finditer(text), key=lambda one: _ORDINALS[one["ordinal"]], default=None)
    if last is None:
        return 0, (0, 0)
    is_earlier = _LATER.search(text, last.end()) or _AGAIN.search(text, last.end())
    return _ORDINALS[last["ordinal"]] - (0 if is_earlier else 1), last.span()


def _dates(text: str) -> list[int]:
    """Return the year (two digits) of every date in a list of them: 2023年3月、5月和2024年1月 are three."""
    years: list[int] = []
    for date in _DATE.finditer(text):
        if date["year"] or (date["month"] and years):
            years.append(int(date["year"]) if date["year"] else years[-1])
    return years
