"""Money in cells: exact yuan, the unit that was applied, and what is doubtful."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangfa_standards.money import LARGEST, MoneyRemark, MoneyUnit, money_text, read_money

WAN, YUAN = MoneyUnit.WAN, MoneyUnit.YUAN
AMOUNTS = [
    ("2万元", WAN, "20000"),
    ("20000", YUAN, "20000"),
    ("20,000.00", YUAN, "20000"),
    ("￥20000", WAN, "20000"),
    ("人民币贰万元整", WAN, "20000"),
    ("伍佰元", YUAN, "500"),
    ("0.2", WAN, "2000"),
    ("146.4275", WAN, "1464275"),
    ("七万零七百七十一元九角五分五厘", YUAN, "70771.955"),
    ("壹万伍仟捌佰陆拾叁元柒角贰分", YUAN, "15863.72"),
    ("3538.59775", WAN, "35385977.5"),
    ("1e4", YUAN, "10000"),
    ("1.00E+05", YUAN, "100000"),
    ("425,800.00元", WAN, "425800"),
    ("５.１５", WAN, "51500"),
    ("1.5亿元", YUAN, "150000000"),
    ("1万2千元", YUAN, "12000"),
    ("贰万", WAN, "20000"),
    ("5000（元）", WAN, "5000"),
    ("5万元（大写：伍万元整）", YUAN, "50000"),
    ("罚款5000元", WAN, "5000"),
    ("0", WAN, "0"),
    ("0.000001", WAN, "0.01"),
    ("3万余元", YUAN, "30000"),
]
NOTHING = [
    ("-1", MoneyRemark.NEGATIVE),
    ("每人150元", MoneyRemark.PER_UNIT),
    ("货值不足一万元", MoneyRemark.BOUND_ONLY),
    ("1+0.96", MoneyRemark.SEVERAL),
    ("5000元、3000元", MoneyRemark.SEVERAL),
    ("1-2万元", MoneyRemark.RANGE),
    ("100美元", MoneyRemark.FOREIGN),
    ("99999999999999999", MoneyRemark.TOO_LARGE),
    ("abc", MoneyRemark.UNREADABLE),
    ("1,23", MoneyRemark.UNREADABLE),
    ("9" * 100_000, MoneyRemark.UNREADABLE),
    ("/", MoneyRemark.BLANK),
    ("暂无", MoneyRemark.BLANK),
    ("", MoneyRemark.BLANK),
]


@pytest.mark.parametrize(("text", "unit", "yuan"), AMOUNTS)
def test_an_amount_is_exact_yuan(text: str, unit: MoneyUnit, yuan: str) -> None:
    """Whatever unit the column or the cell states."""
    reading = read_money(text, unit)
    assert (reading.yuan, reading.raw) == (Decimal(yuan), text)


@pytest.mark.parametrize(("text", "remark"), NOTHING)
def test_what_is_no_single_amount_says_why(text: str, remark: MoneyRemark) -> None:
    """No amount is made up."""
    reading = read_money(text, YUAN)
    assert (reading.yuan, reading.remark, reading.confidence) == (None, remark, 0.0)


def test_a_unit_in_the_cell_outweighs_the_column() -> None:
    """20万元 in either column is 200,000 yuan, and the reading says where the unit came from."""
    assert {read_money("20万元", unit).yuan for unit in (WAN, YUAN, None)} == {Decimal(200_000)}
    assert read_money("20万元", WAN).remark is MoneyRemark.UNIT_IN_CELL


def test_yuan_in_a_column_of_ten_thousands_is_doubtful() -> None:
    """2000 under 万元 is read as written, with little confidence."""
    reading = read_money("2000", WAN)
    assert (reading.yuan, reading.remark) == (Decimal(20_000_000), MoneyRemark.UNIT_DOUBTFUL)
    assert reading.confidence < 0.5 < read_money("0.2", WAN).confidence


def test_the_noise_of_spreadsheets_is_rounded_away() -> None:
    """0.1 + 0.2 of a spreadsheet is 3,000 yuan, remarked on."""
    reading = read_money("0.30000000000000004", WAN)
    assert (reading.yuan, reading.remark) == (Decimal(3000), MoneyRemark.ROUNDED)


@given(st.decimals(0, 10**8, places=6))
def test_a_figure_of_the_publicity_table_is_exact(figure: Decimal) -> None:
    """decimal(18,6) in 万元: one fen is 0.000001."""
    assert read_money(f"{figure:f}", WAN).yuan == figure * 10_000


@given(st.decimals(0, 10**9, places=2))
def test_written_amounts_come_back(amount: Decimal) -> None:
    """With separators and a sign of currency, and as the interface writes them."""
    assert read_money(f"￥{amount:,}元", WAN).yuan == amount
    assert read_money(money_text(amount), YUAN).yuan == amount
    assert "E" not in money_text(amount)


CHARACTERS = "0123456789.,+-eE%万亿千百十元角分厘￥每人不足至约余壹贰拾整零（）、 "


@given(
    st.one_of(st.text(max_size=60), st.text(alphabet=st.sampled_from(CHARACTERS), max_size=24)),
    st.sampled_from([WAN, YUAN, None]),
)
def test_any_text_is_read_without_raising(text: str, unit: MoneyUnit | None) -> None:
    """And an amount is never negative, never absurd, never finer than 毫."""
    yuan = read_money(text, unit).yuan
    assert yuan is None or (0 <= yuan <= LARGEST and yuan == yuan.quantize(Decimal("0.0001")))
