"""Figures in running text: written every way, qualified, in their roles; never outside the text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangfa_screening.quantities import Quantity, find_quantities, normalised


def figures(text: str) -> list[Quantity]:
    return find_quantities(normalised(text))


def figure(text: str) -> Quantity:
    (only,) = figures(text)
    return only


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20,000.00元", 20_000), ("２０，０００元", 20_000), ("1,870,838元", 1_870_838), ("1.45万元", 14_500), ("1.2 万元", 12_000),
        ("三万五千元", 35_000), ("贰万元整", 20_000), ("伍拾万圆", 500_000), ("1万5千元", 15_000), ("1亿2000万元", 120_000_000),
        ("3.2亿余元", 320_000_000), ("5万余元", 50_000), ("5万多元", 50_000), ("50余万元", 500_000), ("3千余元", 3_000),
        ("上百万元", 1_000_000), ("万余元", 10_000), ("数十万元", 200_000), ("十几万元", 100_000), ("几千元", 2_000),
        ("价值12.5万，", 125_000), ("￥5,000", 5_000), ("5000.00（元）", 5_000), ("人民币壹拾贰万叁仟肆佰伍拾陆元柒角", 123_456),
    ],
)  # fmt: skip
def test_an_amount_is_read_however_it_is_written(text: str, value: float) -> None:
    """Arabic, Chinese, mixed, with separators, blanks, vague words: vague ones count low."""
    assert figure(text).kind == "money"
    assert figure(text).value == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("一百二十余吨", "kg", 120_000), ("300斤", "kg", 150), ("半吨", "kg", 500), ("15克", "kg", 0.015), ("1.2公顷", "mu", 18),
        ("2538平方米", "mu", 3.807), ("30多名", "person", 30), ("二十来人", "person", 20), ("三个半月", "month", 3.5),
        ("7.2立方米", "m3", 7.2), ("11.2倍", "multiple", 11.2), ("41%", "percent", 41), ("20万支", "stick", 200_000),
    ],
)  # fmt: skip
def test_measures_and_counts_arrive_in_base_units(text: str, kind: str, value: float) -> None:
    """Kilogram, mu, months, pieces."""
    assert figure(text).kind == kind
    assert figure(text).value == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("3万至5万元", 30_000, 50_000), ("3-5万元", 30_000, 50_000), ("3～5吨", 3_000, 5_000), ("300元到500元", 300, 500),
        ("5、6名", 5, 6), ("3、4万元", 30_000, 40_000), ("两三万元", 20_000, 30_000), ("七八千元", 7_000, 8_000),
    ],
)  # fmt: skip
def test_a_range_counts_with_its_low_end_and_keeps_its_high_end(text: str, low: float, high: float) -> None:
    """One figure, both ends, all its characters."""
    found = figure(text)
    assert (found.value, found.high) == (low, high)
    assert (found.start, found.end) == (0, len(text))


def test_figures_in_a_row_are_no_range() -> None:
    """A list of amounts, of persons and times."""
    assert [q.value for q in figures("2300元、4500元、1200元")] == [2300, 4500, 1200]
    assert [q.value for q in figures("3人、5次")] == [3, 5]


@pytest.mark.parametrize("text", ["不足5万元", "不到5万元", "未达5万元", "近5万元", "5万元以下"])
def test_a_figure_that_lies_below_says_so(text: str) -> None:
    """So that it does not reach the threshold it names."""
    assert figure(text).is_less


@pytest.mark.parametrize("text", ["近3年", "5万元以上", "达到5万元", "约5万元"])
def test_words_that_do_not_mean_less_are_not_taken_for_it(text: str) -> None:
    """近三年 is a time, not less than three years."""
    assert not figure(text).is_less


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("罚款人民币5万元", "fine"), ("处以2万元的罚款", "fine"), ("处5万元罚款", "fine"), ("没收3000元", "fine"),
        ("没收违法所得3000元", ""),
        ("处理货物5000元", ""), ("每瓶128元", "price"), ("128元/瓶", "price"), ("注册资本50万元", "capital"), ("追诉标准为5万元", "limit"),
        ("销售金额5万元", ""),
    ],
)  # fmt: skip
def test_a_figure_has_a_role(text: str, role: str) -> None:
    """A fine, a price, a capital or a limit is never the figure of the case; forfeited proceeds are."""
    assert figure(text).role == role


@pytest.mark.parametrize(
    "text", ["2023年1月至3月", "第三十条", "一部分", "一次性", "三方协议", "0.4克/千克", "9、10月", "罚〔2023〕12号"]
)
def test_dates_articles_and_words_are_no_figures(text: str) -> None:
    """Numbers that count nothing."""
    assert figures(text) == []


def test_a_total_is_told_from_its_parts() -> None:
    """共计 and the like mark the figure behind them."""
    assert [q.is_total for q in figures("甲店2万元、乙店3万元，共计5万元")] == [False, False, True]


@given(st.text(max_size=300))
def test_finding_figures_never_fails_and_stays_inside_the_text(text: str) -> None:
    """Whatever is pasted: places lie in the text, and the normalised text is as long as the original."""
    plain = normalised(text)
    assert len(plain) == len(text)
    for quantity in find_quantities(plain):
        assert 0 <= quantity.start < quantity.end <= len(text)
        assert quantity.value >= 0


@given(st.text(alphabet="0123456789零一二两三十百千万亿点余多几数半.,，、至-~元吨年月 ", max_size=40))
def test_heaps_of_numerals_never_fail(text: str) -> None:
    """Numerals in any disorder, close to the grammar."""
    for quantity in figures(text):
        assert quantity.high is None or quantity.high >= quantity.value


@given(st.integers(1, 10**9), st.sampled_from(["", "共计", "价值", "约"]))
def test_an_amount_is_read_as_it_is_written(value: int, before: str) -> None:
    """Plain, with separators, and in 万元; what stands before does not change the value."""
    for text, expected in ((f"{value}元", value), (f"{value:,}元", value), (f"{value}万元", value * 10_000)):
        assert figure(before + text).value == expected


@given(st.integers(1, 9999), st.integers(0, 99))
def test_decimals_in_wan_are_exact_to_the_yuan(whole: int, hundredths: int) -> None:
    """12.34万元 is 123,400 yuan."""
    assert round(figure(f"{whole}.{hundredths:02}万元").value) == whole * 10_000 + hundredths * 100


@pytest.mark.parametrize(("text", "value"), [("参与人数28人", 28), ("户数30户", 30), ("数名工人", 2), ("数十人", 20)])
def test_a_number_after_the_word_for_number_is_no_vague_one(text: str, value: float) -> None:
    """人数28人 are 28 people, not 数28 of them."""
    assert figure(text).value == value


def test_a_favour_paid_for_is_no_fine() -> None:
    """好处费 ends in the characters that begin a fine."""
    assert figure("索要供货商好处费41万元").role == ""
    assert figure("处2万元罚款").role == "fine"
