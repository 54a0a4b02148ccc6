"""Dates in every spelling met in exports; a day only where the text names a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangfa_standards.dates import DateRemark, Precision, read_date

EIGHTH_OF_JANUARY = """2017-01-08 | 2017/1/8 | 2017.1.8 | 2017年1月8日 | 2017,01,08 | 17-1-8 | 17.1.8
20170108 | 2017-1-8 0:00:00 | 2017-01-08 00:00:00.0 | 42743 | 42743.5 | 1483804800000
二〇一七年一月八日 | 二零一七年元月八日 | 贰零壹柒年壹月捌日 | ２０１７－０１－０８
2017 年 1 月 8 日 | 2017年01月08日10时20分 | 2017-1-8T10:00:00+08:00 | '2017-01-08 | 20170108000000 | Sun Jan 08 00:00:00 CST 2017"""
DAYS = st.dates(date(1950, 1, 1), date(2098, 12, 31)).filter(lambda d: d != date(1970, 1, 1))


@pytest.mark.parametrize("text", [t.strip() for line in EIGHTH_OF_JANUARY.split("\n") for t in line.split(" | ")])
def test_every_spelling_of_a_day_is_that_day(text: str) -> None:
    """Twenty-three spellings of one day."""
    reading = read_date(text)
    assert (reading.value, reading.precision, reading.raw) == (date(2017, 1, 8), Precision.DAY, text)


@pytest.mark.parametrize(
    ("text", "precision", "earliest", "latest"),
    [
        ("2017.1", Precision.MONTH, date(2017, 1, 1), date(2017, 1, 31)),
        ("2020-09", Precision.MONTH, date(2020, 9, 1), date(2020, 9, 30)),
        ("201702", Precision.MONTH, date(2017, 2, 1), date(2017, 2, 28)),
        ("二〇一七年一月", Precision.MONTH, date(2017, 1, 1), date(2017, 1, 31)),
        ("2017", Precision.YEAR, date(2017, 1, 1), date(2017, 12, 31)),
        ("2017年", Precision.YEAR, date(2017, 1, 1), date(2017, 12, 31)),
    ],
)
def test_a_month_is_not_a_day(text: str, precision: Precision, earliest: date, latest: date) -> None:
    """A month or a year has bounds and no value: no clock may start on a day that nobody named."""
    reading = read_date(text)
    assert (reading.value, reading.precision) == (None, precision)
    assert (reading.earliest, reading.latest) == (earliest, latest)


WITHOUT_DAY = {
    **dict.fromkeys(["", "空", "/", "\\", "-", "无", "0", "null"], DateRemark.BLANK),
    **dict.fromkeys(["长期", "无处罚期限", "2099-12-31", "2099/12/31", "9999-12-31"], DateRemark.OPEN_ENDED),
    **dict.fromkeys(["1900-01-01", "1900-1-1 0:00:00", "1970-01-01"], DateRemark.PLACEHOLDER),
    **dict.fromkeys(["2月8日", "二月八日"], DateRemark.YEAR_MISSING),
    **dict.fromkeys(["2017-02-30", "20170230", "2017-13-01", "2月30日", "2017年0月"], DateRemark.IMPOSSIBLE),
    **dict.fromkeys(["1583-01-01", "99999"], DateRemark.OUT_OF_RANGE),
    **dict.fromkeys(["1/8/2017", "1/8/17"], DateRemark.AMBIGUOUS),
    **dict.fromkeys(["abc", "1e5", "17.1", "2017-1-8-3", "9" * 500, "罚款"], DateRemark.UNREADABLE),
}


@pytest.mark.parametrize(("text", "remark"), WITHOUT_DAY.items())
def test_what_names_no_day_says_why(text: str, remark: DateRemark) -> None:
    """Blank, open-ended, placeholder, incomplete, impossible, absurd, ambiguous, unreadable."""
    assert (read_date(text).value, read_date(text).remark) == (None, remark)


def test_a_day_above_twelve_settles_the_order() -> None:
    """13/8/2017 can only be August."""
    assert read_date("13/8/2017").value == date(2017, 8, 13)
    assert read_date("8/13/2017").value == date(2017, 8, 13)


def test_old_workbooks_count_from_1904() -> None:
    """The same serial, 1,462 days later."""
    assert read_date("41281", since_1904=True).value == date(2017, 1, 8)


@given(
    DAYS,
    st.sampled_from(["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y年%m月%d日", "%Y%m%d", "%Y,%m,%d", "%Y-%m-%d 00:00:00"]),
)
def test_a_written_day_comes_back(day: date, form: str) -> None:
    """Every day, every separator."""
    assert read_date(day.strftime(form)).value == day


@given(DAYS)
def test_a_serial_number_comes_back(day: date) -> None:
    """Excel's 1900 system."""
    assert read_date(str((day - date(1899, 12, 30)).days)).value == day


@given(st.dates(date(1975, 1, 1), date(2098, 12, 31)))
def test_milliseconds_are_the_day_in_beijing(day: date) -> None:
    """Midnight in Beijing is 16:00 UTC of the day before."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=8)
    milliseconds = int(midnight.timestamp() * 1000)
    if len(str(milliseconds)) == 13:
        assert read_date(str(milliseconds)).value == day


@given(
    st.one_of(st.text(max_size=80), st.text(alphabet=st.sampled_from("0123456789-/.年月日 :零一二十元T+"), max_size=24))
)
def test_any_text_is_read_without_raising(text: str) -> None:
    """A value only ever with the precision of a day, within the known centuries."""
    reading = read_date(text)
    assert (reading.value is not None) == (reading.precision is Precision.DAY)
    assert reading.value is None or 1949 <= reading.value.year <= 2100
