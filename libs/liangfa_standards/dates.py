"""Dates as agencies write them. A day is returned only when the text names one; a month is not a day."""

from __future__ import annotations

import calendar as gregorian
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum
from functools import lru_cache

from liangfa_standards.blanks import is_blank
from liangfa_standards.numerals import DIGITS, parse_number
from liangfa_standards.texts import clean_text

FIRST_YEAR, LAST_YEAR = 1949, 2100
_LONGEST = 64
_BEIJING = timezone(timedelta(hours=8))
_OPEN_ENDED = frozenset(
    ["长期", "长期有效", "永久", "永久有效", "无期限", "无处罚期限", "无固定期限", "无限期", "不限", "至今", "永久性"]
)


class Precision(StrEnum):
    """How much of a date the text gives."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"
    NONE = "none"


class DateRemark(StrEnum):
    """What is doubtful about a date, or why there is none."""

    BLANK = "DATE_BLANK"
    OPEN_ENDED = "DATE_OPEN_ENDED"
    PLACEHOLDER = "DATE_PLACEHOLDER"
    YEAR_MISSING = "DATE_YEAR_MISSING"
    INCOMPLETE = "DATE_INCOMPLETE"
    TWO_DIGIT_YEAR = "DATE_TWO_DIGIT_YEAR"
    SERIAL_NUMBER = "DATE_SERIAL_NUMBER"
    EPOCH = "DATE_EPOCH"
    AMBIGUOUS = "DATE_AMBIGUOUS"
    IMPOSSIBLE = "DATE_IMPOSSIBLE"
    OUT_OF_RANGE = "DATE_OUT_OF_RANGE"
    UNREADABLE = "DATE_UNREADABLE"


@dataclass(frozen=True, slots=True)
class DateReading:
    """A date cell as read (Beijing calendar).

    `value` is set only for precision DAY. `earliest` and `latest` bound what the text says, also for a month or a year;
    both are None when the text bounds nothing.
    """

    raw: str
    value: date | None = None
    precision: Precision = Precision.NONE
    earliest: date | None = None
    latest: date | None = None
    remark: DateRemark | None = None

    @property
    def is_unusable(self) -> bool:
        """Whether something stands there that is no date at all."""
        return self.remark in _UNUSABLE


_UNUSABLE = frozenset([DateRemark.IMPOSSIBLE, DateRemark.OUT_OF_RANGE, DateRemark.UNREADABLE, DateRemark.AMBIGUOUS])
_PLACEHOLDERS = frozenset(
    [date(1899, 12, 30), date(1899, 12, 31), date(1900, 1, 1), date(1970, 1, 1), date(1904, 1, 1)]
)


def read_date(text: str, *, since_1904: bool = False) -> DateReading:
    """Read a date in any spelling met in exports; `since_1904` reads serial numbers of old Macintosh workbooks.

    Separators - / . , 年月日 and blanks; a time of day is dropped; `20170108`; two-digit years (2000-2049, else 1900s);
    Excel serials; milliseconds since 1970 (Beijing day); Chinese numerals; `2017.1` and `2017` as month and year;
    长期 and 2099-12-31 as open-ended. Days that the calendar has not, years outside 1949-2100 and month-day orders that
    cannot be told are remarked on and have no value. Never raises.
    """
    if len(text) > _LONGEST:
        return DateReading(text, remark=DateRemark.UNREADABLE)
    return _read(text, since_1904)


@lru_cache(maxsize=16384)
def _read(raw: str, since_1904: bool) -> DateReading:
    if len(raw) == 10 and raw[4] == "-" == raw[7]:
        try:
            return _day(raw, date.fromisoformat(raw))
        except ValueError:
            pass
    text = _plain(raw)
    if is_blank(raw, zero_is_blank=True):
        return DateReading(raw, remark=DateRemark.BLANK)
    if text in _OPEN_ENDED:
        return DateReading(raw, remark=DateRemark.OPEN_ENDED)
    if text.isascii() and text.replace(".", "", 1).isdigit() and not _YEAR_MONTH.fullmatch(text):
        return _number(raw, text, since_1904)
    return _parts(raw, text)


_FOLD = str.maketrans("．／，：－﹣‐–—〇○", "./,:-----零零")
_TIME = re.compile(
    r"[ T]*\d{1,2}(?::\d{1,2}(?::\d{1,2}(?:\.\d+)?)?|时(?:\d{1,2}分(?:\d{1,2}秒)?)?)"
    r"\s*(?:Z|[+-]\d{2}:?\d{2}|[AaPp][Mm])?$"
)
_YEAR_MONTH = re.compile(r"(?:19|20)\d{2}\.(?:0?[1-9]|1[0-2])")
_SEPARATED = re.compile(r"(\d{1,4})\s*[-/.,年\s]\s*(\d{1,2})\s*[-/.,月\s]\s*(\d{1,4})\s*[日号]?[-/.,]?")
_MONTH = re.compile(r"(\d{4})\s*[-/.,年\s]\s*(\d{1,2})\s*月?[-/.,]?")
_YEAR = re.compile(r"(\d{4})\s*年?")
_YEARLESS = re.compile(r"(\d{1,2})\s*月\s*(\d{1,2})\s*[日号]?")
_JAVA = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d{1,2}) \d\d:\d\d:\d\d [A-Z]{3,4} (\d{4})")
_MONTHS = {name: number for number, name in enumerate(gregorian.month_abbr) if name}
_CHINESE = re.compile(r"[零一二三四五六七八九十壹贰叁肆伍陆柒捌玖拾元廿卅]")
_CHINESE_DATE = re.compile(r"(?:([^年]{2,4})年)?(?:([^月]{1,3})月(?:份)?)?(?:([^日号]{1,3})[日号]?)?")


def _plain(raw: str) -> str:
    text = clean_text(raw).translate(_FOLD).strip("'\"= ")
    return _TIME.sub("", text).strip() if ":" in text or "时" in text else text


def _day(raw: str, value: date, remark: DateRemark | None = None) -> DateReading:
    if FIRST_YEAR <= value.year <= LAST_YEAR and value.year < 2099 and value not in _PLACEHOLDERS:
        return DateReading(raw, value, Precision.DAY, value, value, remark)
    if value in _PLACEHOLDERS:
        return DateReading(raw, remark=DateRemark.PLACEHOLDER)
    if value.year in {2099, 9999, 2999, 3000}:
        return DateReading(raw, remark=DateRemark.OPEN_ENDED)
    if value.year == LAST_YEAR:
        return DateReading(raw, value, Precision.DAY, value, value, remark)
    return DateReading(raw, remark=DateRemark.OUT_OF_RANGE)


def _calendar_day(raw: str, year: int, month: int, day: int, remark: DateRemark | None = None) -> DateReading:
    try:
        return _day(raw, date(year, month, day), remark)
    except ValueError:
        return DateReading(raw, remark=DateRemark.IMPOSSIBLE)


def _number(raw: str, text: str, since_1904: bool) -> DateReading:
    whole = text.partition(".")[0]
    if "." not in text and len(whole) == 8:
        return _calendar_day(raw, int(whole[:4]), int(whole[4:6]), int(whole[6:]))
    if "." not in text and len(whole) == 6 and whole[:2] in {"19", "20"}:
        return _month(raw, int(whole[:4]), int(whole[4:]))
    if "." not in text and len(whole) == 4:
        return _year(raw, int(whole))
    if "." not in text and len(whole) == 14:
        return _calendar_day(raw, int(whole[:4]), int(whole[4:6]), int(whole[6:8]))
    if len(whole) in {10, 13} and "." not in text:
        seconds = int(whole) if len(whole) == 10 else int(whole) // 1000
        return _day(raw, datetime.fromtimestamp(seconds, UTC).astimezone(_BEIJING).date(), DateRemark.EPOCH)
    if len(whole) == 5:
        # Day 0 of the 1900 system is 1899-12-30 for every serial after the day that 1900 never had.
        start = date(1904, 1, 1) if since_1904 else date(1899, 12, 30)
        return _day(raw, start + timedelta(days=int(whole)), DateRemark.SERIAL_NUMBER)
    if text in {"1", "2"}:
        return DateReading(raw, remark=DateRemark.PLACEHOLDER)
    return DateReading(raw, remark=DateRemark.UNREADABLE)


def _parts(raw: str, text: str) -> DateReading:
    if found := _SEPARATED.fullmatch(text):
        return _three_numbers(raw, found[1], found[2], found[3])
    if found := _MONTH.fullmatch(text):
        return _month(raw, int(found[1]), int(found[2]))
    if found := _YEAR.fullmatch(text):
        return _year(raw, int(found[1]))
    if found := _YEARLESS.fullmatch(text):
        return _without_year(raw, int(found[1]), int(found[2]))
    if (found := _JAVA.fullmatch(text)) and found[1] in _MONTHS:
        return _calendar_day(raw, int(found[3]), _MONTHS[found[1]], int(found[2]))
    if _CHINESE.search(text) and ("年" in text or "月" in text):
        return _chinese(raw, text)
    return DateReading(raw, remark=DateRemark.UNREADABLE)


def _three_numbers(raw: str, first: str, second: str, third: str) -> DateReading:
    if len(first) == 4:
        return _calendar_day(raw, int(first), int(second), int(third)) if len(third) <= 2 else _unreadable(raw)
    if len(first) == 2 and len(third) <= 2:
        year = int(first) + (2000 if int(first) < 50 else 1900)
        return _calendar_day(raw, year, int(second), int(third), DateRemark.TWO_DIGIT_YEAR)
    if len(third) == 4 and len(first) <= 2:
        return _year_last(raw, int(first), int(second), int(third))
    return DateReading(raw, remark=DateRemark.AMBIGUOUS) if len(first) == 1 else _unreadable(raw)


def _year_last(raw: str, first: int, second: int, year: int) -> DateReading:
    # 1/8/2017 may be January or August; only a figure above 12 tells which is the day.
    if first > 12 >= second:
        return _calendar_day(raw, year, second, first)
    if second > 12 >= first or first == second:
        return _calendar_day(raw, year, first, second)
    return DateReading(raw, remark=DateRemark.AMBIGUOUS)


def _unreadable(raw: str) -> DateReading:
    return DateReading(raw, remark=DateRemark.UNREADABLE)


def _month(raw: str, year: int, month: int) -> DateReading:
    if not 1 <= month <= 12:
        return DateReading(raw, remark=DateRemark.IMPOSSIBLE)
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return DateReading(raw, remark=DateRemark.OUT_OF_RANGE)
    last = date(year, month, gregorian.monthrange(year, month)[1])
    return DateReading(raw, None, Precision.MONTH, date(year, month, 1), last, DateRemark.INCOMPLETE)


def _year(raw: str, year: int) -> DateReading:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return DateReading(raw, remark=DateRemark.OUT_OF_RANGE)
    return DateReading(raw, None, Precision.YEAR, date(year, 1, 1), date(year, 12, 31), DateRemark.INCOMPLETE)


def _without_year(raw: str, month: int, day: int) -> DateReading:
    is_possible = _calendar_day(raw, 2000, month, day).value is not None
    return DateReading(raw, remark=DateRemark.YEAR_MISSING if is_possible else DateRemark.IMPOSSIBLE)


def _chinese(raw: str, text: str) -> DateReading:
    found = _CHINESE_DATE.fullmatch(text.replace(" ", ""))
    if found is None:
        return _unreadable(raw)
    year, month, day = _chinese_year(found[1]), _chinese_part(found[2]), _chinese_part(found[3])
    if (found[1] and year is None) or (found[2] and month is None) or (found[3] and day is None):
        return _unreadable(raw)
    if year is None:
        return _without_year(raw, month, day) if month and day else _unreadable(raw)
    if month is None:
        return _year(raw, year) if day is None else _unreadable(raw)
    return _month(raw, year, month) if day is None else _calendar_day(raw, year, month, day)


def _chinese_year(text: str | None) -> int | None:
    if not text or len(text) != 4:
        return None
    digits = [int(c) if c in "0123456789" else DIGITS.get(c) for c in text]
    return None if None in digits else int("".join(map(str, digits)))


def _chinese_part(text: str | None) -> int | None:
    if not text:
        return None
    value = parse_number("一" if text == "元" else text.removeprefix("零"))
    return int(value) if value is not None and value == int(value) and 0 < value < 100 else None
