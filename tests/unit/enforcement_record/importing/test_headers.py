"""Finding the header and knowing its columns; mappings suggested, confirmed and refused."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangfa_enforcement_record.importing import Mapping, TableRefused, open_table, read_drafts, suggest_mapping
from liangfa_enforcement_record.importing.fields import FIELDS
from liangfa_enforcement_record.importing.headers import (
    Header,
    find_header,
    header_unit,
    known_column,
    plain_header,
    repeats_header,
)
from liangfa_enforcement_record.importing.layouts import LAYOUTS
from liangfa_enforcement_record.importing.rows import suggestion_for
from liangfa_enforcement_record.importing.tables import Row
from liangfa_standards.money import MoneyUnit
from tests.unit.enforcement_record.importing.files import CASE, LAYOUTS_AS_WRITTEN, NAMES, csv_bytes


def header_of(names: list[str]) -> Header:
    """Return the header of a table with these names."""
    return find_header([Row(1, names), Row(2, ["x"] * len(names))])


@pytest.mark.parametrize("layout", LAYOUTS_AS_WRITTEN)
def test_every_known_layout_is_recognised(layout: str) -> None:
    """All columns that carry a field are known by their header alone."""
    suggestion = suggest_mapping(header_of(LAYOUTS_AS_WRITTEN[layout]), [])
    unknown = {column.header for column in suggestion.columns if not column.field}
    assert suggestion.layout == layout.partition("#")[0]
    assert unknown <= {"登记序号", "履行方式和期限"}
    assert suggestion.is_certain


def test_code_two_is_what_its_brackets_say() -> None:
    """The organisation code in 2016, the registration number in 2018; without words it is left to a person."""
    columns = [known_column(f"行政相对人代码_2{words}") for words in ("(组织机构代码)", "（工商注册号）", "")]
    assert [column and column.field for column in columns] == ["organisation_code", "registration_number", None]


@pytest.mark.parametrize(
    ("header", "field", "unit"),
    [
        ("罚款金额 (万元)", "fine", MoneyUnit.WAN),
        ("罚款金额（单位：元）", "fine", MoneyUnit.YUAN),
        ("罚款金额_元", "fine", MoneyUnit.YUAN),
        ("*罚款金额(万元)（必填）", "fine", MoneyUnit.WAN),
        ("CF_NR_FK", "fine", MoneyUnit.WAN),
        ("罚款", "fine", None),
        ("涉案金额", "amount_involved", MoneyUnit.YUAN),
        ("行政处罚决定文书号 ", None, None),
        ("行政处罚决定书\n文号", "document_number", None),
        ("处罚决定日期（格式：YYYY/MM/DD）", "decided_on", None),
        ("ＣＦ＿ＷＳＨ", "document_number", None),
        ("x_罪名_推断", None, None),
    ],
)
def test_a_header_is_known_through_its_spelling(header: str, field: str | None, unit: MoneyUnit | None) -> None:
    """Width, blanks, line breaks, units, stars and hints aside."""
    column = known_column(header)
    assert (column.field if column else None) == field
    if field is not None and column is not None:
        assert column.unit == unit


def test_titles_and_groups_above_the_header_are_passed_over() -> None:
    """A merged title, a line of units, a group line, then the header."""
    group = ["", "", "违法情况", "", "", "", "", ""]
    rows = [
        Row(1, ["行政处罚信息公示表"]),
        Row(2, ["单位：万元"]),
        Row(3, group),
        Row(5, list(NAMES)),
        Row(6, list(CASE)),
    ]
    header = find_header(rows)
    assert (header.first_row, header.last_row, header.names) == (5, 5, NAMES)


def test_a_header_of_two_lines_is_joined() -> None:
    """A group gives its unit and its meaning to the line below."""
    upper = ["序号", "当事人", "", "处罚金额（万元）", "", "处罚决定日期"]
    lower = ["", "名称", "统一社会信用代码", "罚款", "没收金额", ""]
    header = find_header([Row(1, ["公示表"]), Row(2, upper), Row(3, lower), Row(4, list("123456"))])
    fields = [known_column(name) for name in header.names]
    assert (header.first_row, header.last_row) == (2, 3)
    assert [column and column.field for column in fields][1:] == [
        "party_name",
        "uscc",
        "fine",
        "confiscated",
        "decided_on",
    ]
    assert [column.unit for column in fields[3:5] if column] == [MoneyUnit.WAN, MoneyUnit.WAN]


def test_an_unknown_header_is_left_to_a_person_with_guesses() -> None:
    """Values speak for some columns; nothing is certain."""
    rows = [["甲字第一栏", "乙栏", "丙栏"]] + [
        ["91310113MABMNEF14B", f"洪市监处罚〔2017〕{n}号", "《商标法》第五十七条"] for n in range(9)
    ]
    table = open_table(io.BytesIO(csv_bytes(rows)), "t")
    _header, suggestion = suggestion_for(table)
    assert [column.field for column in suggestion.columns] == ["uscc", "document_number", "legal_basis"]
    assert all(0 < column.confidence < 0.9 and column.reason_zh and column.reason_en for column in suggestion.columns)
    assert not suggestion.is_certain


def test_a_table_of_figures_has_no_header() -> None:
    """Refused with a remedy."""
    with pytest.raises(TableRefused) as caught:
        find_header([Row(1, ["20170108", "20000"]), Row(2, ["20170109", "30000"])])
    assert caught.value.reason == "TABLE_WITHOUT_HEADER"


def test_a_repeated_header_is_known_in_other_spelling() -> None:
    """Printed again on each page, with other blanks."""
    assert repeats_header([*NAMES[:5], "罚款金额 (万元)", *NAMES[6:]], NAMES)
    assert not repeats_header(CASE, NAMES)


def test_a_mapping_comes_back_from_its_file() -> None:
    """Written for a person, read again without loss."""
    suggestion = suggest_mapping(header_of(LAYOUTS_AS_WRITTEN["publicity_2018_organisations"]), [])
    assert Mapping.from_yaml(suggestion.mapping.to_yaml()) == suggestion.mapping


CUSTOM = """
version: 1
layout: other
columns:
  被罚者: party_name
  干了什么: facts
  交多少钱: {field: fine, unit: 元}
constants: {agency_name: 武汉市洪山区市场监督管理局, region_code: '420111'}
"""


def test_a_mapping_by_hand_reads_any_layout() -> None:
    """Headers nobody knows, a unit and constants given by a person."""
    rows = [
        ["某年某月清单"],
        ["被罚者", "干了什么", "交多少钱", "随便"],
        ["甲商贸有限公司", "销售假冒服装120件，货值5479元。", "2000", "乙"],
    ]
    table = open_table(io.BytesIO(csv_bytes(rows)), "t")
    outcome = list(read_drafts(table, Mapping.from_yaml(CUSTOM)))[-1]
    assert outcome.draft is not None
    assert (outcome.draft.fine_yuan, outcome.draft.region_code) == (Decimal(2000), "420111")
    assert outcome.draft.agency_type == "market"
    assert ("随便", "乙") in outcome.draft.raw


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "columns: 3",
        "columns: {}",
        "columns: {名称: nonsense}",
        "columns: {名称: {field: fine, unit: 美元}}",
        "columns: {名称: party_name}\nlayout: x",
        "columns: {名称: party_name}\nconstants: {x: y}",
        "columns: {名称: party_name",
        "!!python/object/apply:os.system ['true']",
        "&a [*a, *a]",
        "[" * 10_000,
    ],
)
def test_a_broken_mapping_is_refused_with_what_is_wrong(text: str) -> None:
    """YAML of any kind, fields and units that do not exist."""
    with pytest.raises(TableRefused) as caught:
        Mapping.from_yaml(text)
    assert caught.value.reason == "MAPPING_INVALID"


def test_a_mapping_for_another_table_is_refused() -> None:
    """The columns that are missing are named."""
    table = open_table(io.BytesIO(csv_bytes([["甲", "乙"], ["1", "2"]])), "t")
    with pytest.raises(TableRefused, match="被罚者") as caught:
        list(read_drafts(table, Mapping.from_yaml(CUSTOM)))
    assert caught.value.reason == "HEADER_NOT_MAPPED"


def test_a_column_that_occurs_twice_keeps_both_places() -> None:
    """24 columns where 20 are expected: the second one counts where the first is blank."""
    names = [*NAMES, "行政相对人名称", "备注", "备注"]
    rows = [names, ["", *CASE[1:], "乙商贸有限公司", "一", "二"]]
    table = open_table(io.BytesIO(csv_bytes(rows)), "t")
    _header, suggestion = suggestion_for(table)
    mapping = Mapping.from_yaml(suggestion.mapping.to_yaml())
    outcome = list(read_drafts(table, mapping))[-1]
    assert outcome.draft is not None
    assert (outcome.draft.parties[0].name, outcome.draft.remarks) == ("乙商贸有限公司", "一；二")


def test_every_field_of_the_layouts_exists() -> None:
    """Layouts name fields only."""
    assert all(layout.needs | layout.has <= FIELDS.keys() for layout in LAYOUTS)


@given(st.text(max_size=60))
def test_any_header_text_is_known_or_not(text: str) -> None:
    """Never raises; the plain form is stable."""
    known_column(text)
    header_unit(text)
    assert plain_header(plain_header(text)) == plain_header(text) or not text.isascii()


@given(st.lists(st.lists(st.text(max_size=12), max_size=6), max_size=6))
def test_any_rows_have_a_header_or_are_refused(rows: list[list[str]]) -> None:
    """And a mapping can be suggested under every header."""
    try:
        header = find_header([Row(number, cells) for number, cells in enumerate(rows, 1)])
    except TableRefused:
        return
    suggestion = suggest_mapping(header, rows)
    assert len(suggestion.columns) == len(header.names)
