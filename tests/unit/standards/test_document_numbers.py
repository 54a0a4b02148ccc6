"""文号: split, made comparable, never completed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangfa_standards.document_numbers import read_document_number

KNOWN = {
    "洪市监处罚〔2017〕12号": ("洪市监处罚", 2017, "12"),
    "广市监处罚〔2024〕03033号": ("广市监处罚", 2024, "03033"),
    "沪监管松处字(2019)第272018001213号": ("沪监管松处字", 2019, "272018001213"),
    "（京）文执罚〔2021〕第400154号": ("（京）文执罚", 2021, "400154"),
    "泸建罚决字〔2024〕13-6号": ("泸建罚决字", 2024, "13-6"),
    "慈税罚（2018）40号": ("慈税罚", 2018, "40"),
    "蔡农(农药)罚[2017]12": ("蔡农（农药）罚", 2017, "12"),
    "武公(治)行罚决字［２０１７］第12号": ("武公（治）行罚决字", 2017, "12"),
    "京海市监罚字【2021】 18 号": ("京海市监罚字", 2021, "18"),
}


@pytest.mark.parametrize(("text", "parts"), KNOWN.items())
def test_a_number_is_split(text: str, parts: tuple[str, int, str]) -> None:
    """Every bracket in use, 第 and 号 optional, leading zeros and sub-numbers kept."""
    number = read_document_number(text)
    assert (number.head, number.year, number.serial) == parts


def test_two_spellings_share_a_key() -> None:
    """Brackets, width, 第 and blanks do not tell two numbers apart; leading zeros do."""
    keys = {read_document_number(t).key for t in ("洪罚〔2017〕12号", "洪罚[2017]第12号", "洪罚（２０１７） 12")}
    assert len(keys) == 1
    assert read_document_number("洪罚〔2017〕012号").key not in keys


@pytest.mark.parametrize("text", ["", "无", "/", "0", "—", "暂无"])
def test_a_blank_number_has_no_text_and_no_key(text: str) -> None:
    """Blank is normal in the simple procedure."""
    assert (read_document_number(text).text, read_document_number(text).key) == ("", "")


def test_a_masked_number_identifies_nothing() -> None:
    """沪市监闵处〔2022〕******号 is kept as text, without a key."""
    number = read_document_number("沪市监闵处〔2022〕******号")
    assert (number.is_masked, number.key, number.year) == (True, "", 2022)


def test_several_numbers_in_one_cell_are_told_apart() -> None:
    """One cell, two decisions."""
    assert len(read_document_number("洪罚〔2017〕12号、洪罚〔2017〕13号").parts) == 2


def test_an_unknown_form_is_kept() -> None:
    """Agencies invent forms; nothing is refused."""
    number = read_document_number("处罚决定 A-17/3")
    assert number.text == "处罚决定A-17/3"
    assert not number.has_known_form


@given(st.text(alphabet=st.sampled_from("洪市监罚字第号〔〕[]()（）【】0123456789-*、; \nA某"), max_size=300))
def test_any_text_is_read_without_raising(text: str) -> None:
    """And reading the uniform spelling again changes nothing."""
    number = read_document_number(text)
    if number.has_known_form:
        assert read_document_number(number.text).key == number.key
