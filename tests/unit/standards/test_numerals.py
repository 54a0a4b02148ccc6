"""parse_number: what a numeral says, in any script, and None for everything that is not exactly one numeral."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangfa_standards.numerals import parse_number

SMALL = "零一二三四五六七八九"
FORMAL = "零壹贰叁肆伍陆柒捌玖"


def written(number: int, digits: str = SMALL, units: tuple[str, ...] = ("", "十", "百", "千")) -> str:
    """Write a whole number in Chinese by the school rules, as the reference for round trips."""
    if number == 0:
        return digits[0]
    for size, mark in ((10**8, "亿"), (10**4, "万")):
        if number >= size:
            head, rest = divmod(number, size)
            filler = digits[0] if rest and rest < size // 10 else ""
            return written(head, digits, units) + mark + filler + (written(rest, digits, units) if rest else "")
    text, gap = "", False
    for place in (3, 2, 1, 0):
        digit = number // 10**place % 10
        if digit:
            text += (digits[0] if gap and text else "") + digits[digit] + units[place]
        gap = digit == 0
    return text


EXAMPLES = {
    "20000": "20000",
    "20,000.00": "20000.00",
    "２０，０００．５": "20000.5",
    "0.96": "0.96",
    "三万五千": "35000",
    "贰万": "20000",
    "貳萬伍仟": "25000",
    "七万零七百七十一": "70771",
    "十二点五": "12.5",
    "十五": "15",
    "一百一十五": "115",
    "一百二": "120",
    "三万五": "35000",
    "三万零五": "30005",
    "两千零五": "2005",
    "廿五": "25",
    "二〇一七": "2017",
    "百分之三十": "0.3",
    "百分之百": "1",
    "千分之五": "0.005",
    "30%": "0.3",
    "1.45万": "14500",
    "3千": "3000",
    "2亿3000万": "230000000",
    "1万2千": "12000",
    "5万零20": "50020",
    "1.2千万": "12000000",
    "三万亿": "3000000000000",
    "十二点五万": "125000",
    "3 万": "30000",
    "-1": "-1",
    "负三": "-3",
}
NO_NUMERALS = [
    "",
    " ",
    "万",
    "百",
    "几",
    "十余",
    "三至五",
    "1,23",
    "1e4",
    "12.5.6",
    "1 0.96",
    "5万20000",
    "万万",
    "十十",
    "百分之",
    "三百千",
    "3万元",
]


@pytest.mark.parametrize(("text", "value"), EXAMPLES.items())
def test_a_numeral_has_its_value(text: str, value: str) -> None:
    """Each way of writing seen in exports and narratives."""
    assert parse_number(text) == Decimal(value)


@pytest.mark.parametrize("text", NO_NUMERALS)
def test_what_is_not_one_numeral_is_none(text: str) -> None:
    """Vague, malformed and compound texts are left to the reader, never guessed."""
    assert parse_number(text) is None


@given(st.integers(0, 10**12 - 1))
def test_a_number_written_in_chinese_comes_back(number: int) -> None:
    """Everyday characters, by the school rules."""
    assert parse_number(written(number)) == number


@given(st.integers(0, 10**12 - 1))
def test_a_number_written_in_formal_characters_comes_back(number: int) -> None:
    """The characters of cheques and receipts (大写)."""
    assert parse_number(written(number, FORMAL, ("", "拾", "佰", "仟"))) == number


@given(st.decimals(0, 10**9, places=4))
def test_a_number_with_separators_comes_back(number: Decimal) -> None:
    """Thousands separators and decimals are exact."""
    assert parse_number(f"{number:,}") == number


@given(st.text(alphabet=st.sampled_from("0123456789.,，零一二两三十百千万亿点廿百分之%-+ 几元"), max_size=80))
def test_any_text_gives_a_number_or_none(text: str) -> None:
    """Never an exception, whatever is composed of the characters it knows."""
    assert parse_number(text) is None or isinstance(parse_number(text), Decimal)


@given(st.text(max_size=80))
def test_any_unicode_gives_a_number_or_none(text: str) -> None:
    """Never an exception, digits of other scripts included."""
    value = parse_number(text)
    assert value is None or value.is_finite()
