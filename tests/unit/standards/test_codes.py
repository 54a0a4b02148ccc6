"""Code lists, blanks, texts and divisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangfa_standards.blanks import is_blank
from liangfa_standards.codes import (
    agency_type_of,
    case_sources,
    likely_party_category,
    penalty_categories,
    read_case_source,
    read_id_document_type,
    read_party_category,
    read_penalty_categories,
    read_publicity_state,
)
from liangfa_standards.divisions import covers, division, division_in_name, region_code
from liangfa_standards.texts import clean_name, clean_text, has_control_characters, name_key


@pytest.mark.parametrize(
    "text", ["", " ", "无", "无。", "（无）", "/", "\\", "空", "暂无", "null", "NULL", "-", "\u3000", "\u200b", "'"]
)
def test_words_for_nothing_are_blank(text: str) -> None:
    """What agencies write where there is nothing to write."""
    assert is_blank(text)


@pytest.mark.parametrize("text", ["0", "无锡某公司", "空气压缩机厂", "-1", "警告"])
def test_words_for_something_are_not_blank(text: str) -> None:
    """0 is an amount unless the caller says otherwise."""
    assert not is_blank(text)
    assert is_blank("0", zero_is_blank=True)


def test_text_is_folded_and_its_wording_kept() -> None:
    """Width, invisible characters and line ends; never the punctuation."""
    assert clean_text("\ufeff 罚款２００元，ＡＢ\r\n次日\x00\u200b ") == "罚款200元，AB\n次日"
    assert clean_name("张 三\n商贸 有限公司 ABC Ltd") == "张三商贸有限公司ABC Ltd"
    assert name_key("某（上海）公司·买买提") == name_key("某(上海)公司•买买提 ")
    assert has_control_characters("a\x00b")
    assert not has_control_characters("a\nb")


@given(st.text(max_size=60))
def test_cleaning_twice_changes_nothing(text: str) -> None:
    """Cleaning is idempotent."""
    assert clean_text(clean_text(text)) == clean_text(text)
    assert name_key(name_key(text)) == name_key(text) or not name_key(text).isascii()


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("警告；罚款", ("warning", "fine")),
        ("没收违法所得;罚款", ("confiscate_income", "fine")),
        ("没收违法所得、没收非法财物", ("confiscate_income", "confiscate_goods")),
        ("警告,罚款\n没收物品", ("warning", "fine", "confiscate_goods")),
        ("罚　款", ("fine",)),
        ("吊销营业执照/罚款", ("revoke_licence", "fine")),
        ("无", ()),
    ],
)
def test_categories_are_told_apart(text: str, keys: tuple[str, ...]) -> None:
    """Every separator in use, aliases too."""
    assert read_penalty_categories(text).keys == keys


def test_words_that_are_no_penalty_are_set_aside() -> None:
    """责令改正 is no penalty; 其他- carries its own words; unknown words are kept."""
    found = read_penalty_categories("罚款;其他-限期拆除;责令改正;写检讨")
    assert (found.keys, found.other_words) == (("fine", "other"), ("限期拆除",))
    assert (found.not_penalties, found.unknown) == (("责令改正",), ("写检讨",))
    assert len(penalty_categories()) == 14


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("武汉市洪山区市场监督管理局", "market"),
        ("武汉市工商行政管理局洪山分局", "market"),
        ("黄石市生态环境保护综合执法支队", "ecology"),
        ("武汉市农业综合执法督察总队", "agri"),
        ("武汉市公安局消防支队", "fire"),
        ("武汉市公安局洪山区分局", "public_security"),
        ("国家税务总局武汉市税务局稽查局", "tax"),
        ("湖北省药品监督管理局", "drug"),
    ],
)
def test_the_kind_of_an_agency_is_in_its_name(name: str, key: str) -> None:
    """Before and after the reforms."""
    agency = agency_type_of(name)
    assert agency is not None
    assert agency.key == key


def test_an_unknown_agency_has_no_kind() -> None:
    """Townships have penalty power and no field of their own."""
    assert agency_type_of("乐昌市黄圃镇人民政府") is None


def test_parties_documents_sources_and_states_are_read() -> None:
    """Names, aliases and numbers of the lists."""
    assert read_party_category("个体户") == "trader"
    assert read_party_category("外星人") == ""
    assert likely_party_category("某公司", "92420111MA", has_resident_id=False, has_representative=True) == "trader"
    assert likely_party_category("黄某", "", has_resident_id=False, has_representative=False) == "person"
    assert read_id_document_type("111") == read_id_document_type("身份证") == "resident_id"
    assert read_case_source("群众举报") == 2
    assert all(read_case_source(name) == number for number, name in case_sources().items())
    assert [read_publicity_state(t) for t in ("0", "撤销", "1", "", "异议", "奇怪")] == [
        *("normal", "withdrawn", "withdrawn", "normal", "disputed", "other"),
    ]


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ("420000", "420111", True),
        ("420100", "420111", True),
        ("420111", "420111", True),
        ("420111", "420100", False),
        ("420111", "420106", False),
        ("429000", "429004", True),
        ("000000", "110101", True),
        ("420115", "420121", True),
        ("420100", "420111001002", True),
        ("", "420111", False),
        ("420111", "", False),
    ],
)
def test_a_region_covers_what_lies_inside(outer: str, inner: str, expected: bool) -> None:
    """Province, city, district; an abolished county is its successor."""
    assert covers(outer, inner) is expected


def test_divisions_are_known_by_code_and_found_in_names() -> None:
    """The narrowest division of an agency's name; a zone has no code of its own."""
    hongshan = division("420111")
    assert hongshan is not None
    assert (hongshan.name, hongshan.short) == ("洪山区", "洪")
    assert region_code("420121") == "420115"
    assert division_in_name("武汉市洪山区市场监督管理局") == hongshan
    assert division_in_name("武汉市工商行政管理局洪山分局") == hongshan
    zone = division_in_name("武汉东湖新技术开发区市场监督管理局")
    assert zone is not None
    assert (zone.code, zone.city_code) == ("", "420100")
    assert division_in_name("上海市青山区某局") is None


@given(st.text(alphabet=st.sampled_from("警告罚款没收违法所得、；;,，其他-责令改正无\n/ 42011"), max_size=40))
def test_any_words_are_read_without_raising(text: str) -> None:
    """Categories, agencies, sources, states, parties and divisions."""
    found = read_penalty_categories(text)
    assert set(found.keys) <= penalty_categories().keys()
    assert read_case_source(text) in {None, *case_sources()}
    assert read_publicity_state(text) in {"normal", "withdrawn", "disputed", "other"}
    assert len(region_code(text)) in {0, 6}
    agency_type_of(text)
    division_in_name(text)
    assert covers(text, text) is bool(region_code(text))
