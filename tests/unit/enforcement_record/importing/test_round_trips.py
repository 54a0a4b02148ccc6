"""Files that go out to a person and come back: rows kept aside, corrected and sent again; mappings, checked and confirmed."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from liangfa_enforcement_record.importing import (
    Mapping,
    OutcomeKind,
    RowOutcome,
    TableRefused,
    open_table,
    read_drafts,
)
from liangfa_enforcement_record.importing.fields import FIELDS
from liangfa_enforcement_record.importing.layouts import LAYOUTS
from liangfa_enforcement_record.importing.mapping import PROBLEM_COLUMN, columns_of
from liangfa_enforcement_record.importing.rejects import inert, rejects_csv, write_rejects_xlsx
from liangfa_enforcement_record.importing.rows import suggestion_for

NAMES = ["行政相对人名称", "居民身份证号", "违法行为类型", "违法事实", "罚款金额（元）", "处罚决定日期", "处罚机关"]
FACTS = "现场查获假冒服装120件，货值5479元，\n尚未售出；当事人称“不知情”。"
WRONG = ["武汉甲商贸有限公司", "", "销售假冒商品", FACTS, "20000", "2017-02-30", "武汉市洪山区市场监督管理局"]
RUN = ["=HYPERLINK(1)", "+1+1", "-cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1"]


def outcomes(content: bytes) -> list[RowOutcome]:
    table = open_table(io.BytesIO(content), "待更正")
    _header, suggestion = suggestion_for(table)
    return list(read_drafts(table, suggestion.mapping))


def table(*rows: list[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([NAMES, *rows])
    return text.getvalue().encode()


def as_csv(found: list[RowOutcome]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(rejects_csv(found)).decode("utf-8-sig"), newline="")))


def corrected_csv(found: list[RowOutcome], column: str, value: str) -> bytes:
    rows = as_csv(found)
    for row in rows[1:]:
        row[rows[0].index(column)] = value
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("gb18030")


def corrected_xlsx(found: list[RowOutcome], column: str, value: str) -> bytes:
    file, again = io.BytesIO(), io.BytesIO()
    write_rejects_xlsx(found, file)
    book = load_workbook(file)
    sheet = book.worksheets[0]
    place = [cell.value for cell in sheet[1]].index(column) + 1
    for number in range(2, sheet.max_row + 1):
        sheet.cell(number, place).value = value
    book.save(again)
    return again.getvalue()


@pytest.mark.parametrize("write", [corrected_csv, corrected_xlsx])
def test_a_row_kept_aside_imports_once_it_is_corrected_in_the_file(
    write: Callable[[list[RowOutcome], str, str], bytes],
) -> None:
    """With every value that it had; the columns that tell what was wrong are no fields."""
    content = write(outcomes(table(WRONG)), "处罚决定日期", "2017-02-28")
    right = outcomes(table([*WRONG[:5], "2017-02-28", *WRONG[6:]]))[-1].draft
    found = outcomes(content)
    assert [each.kind for each in found] == [OutcomeKind.SKIPPED, OutcomeKind.DRAFT]
    draft = found[-1].draft
    assert draft is not None
    assert right is not None
    fields = ("parties", "cause", "facts", "fine_yuan", "decided_on", "agency_name")
    assert [getattr(draft, each) for each in fields] == [getattr(right, each) for each in fields]


def test_a_file_sent_back_uncorrected_is_kept_aside_again() -> None:
    """For the same reason, and not for its added columns."""
    before = outcomes(table(WRONG))
    after = outcomes(b"".join(rejects_csv(before)))
    assert [(each.column, each.reason) for each in after[-1].errors] == [("处罚决定日期", "DATE_IMPOSSIBLE")]
    assert [each.reason for each in before[-1].errors] == [each.reason for each in after[-1].errors]


def test_the_file_says_what_is_wrong_beside_each_row() -> None:
    """Row, column, value, code, reason and remedy, in both languages."""
    header, row = as_csv(outcomes(table(WRONG)))
    added = dict(zip(header, row, strict=True))
    assert {name for name in header if name.startswith(PROBLEM_COLUMN)} == set(header[len(NAMES) :])
    assert added[f"{PROBLEM_COLUMN}行号"] == "2"
    assert (added[f"{PROBLEM_COLUMN}列"], added[f"{PROBLEM_COLUMN}原值"]) == ("处罚决定日期", "2017-02-30")
    assert added[f"{PROBLEM_COLUMN}代码"] == "DATE_IMPOSSIBLE"
    assert all(added[f"{PROBLEM_COLUMN}{name}"] for name in ("原因", "处理办法"))


@pytest.mark.parametrize("formula", RUN)
def test_no_cell_of_the_file_is_run_by_a_spreadsheet(formula: str) -> None:
    """Neither in CSV nor in XLSX, in no column, also where the wrong value is told again."""
    found = outcomes(table(["武汉甲商贸有限公司", "", formula, formula, formula, "2017-02-30", formula]))
    file = io.BytesIO()
    write_rejects_xlsx(found, file)
    cells = [cell for row in load_workbook(file).worksheets[0].iter_rows() for cell in row]
    assert all(cell.data_type != "f" for cell in cells)
    for cell in (*(cell for row in as_csv(found) for cell in row), *(str(cell.value or "") for cell in cells)):
        assert not cell.startswith(("=", "+", "@", "-", "\t", "\r")), cell


def test_long_figures_keep_their_digits() -> None:
    """A spreadsheet would round an identity number: it goes out as text and comes back as it was."""
    number = "11010519491231002X"
    found = outcomes(table([WRONG[0], number, *WRONG[2:]]))
    draft = outcomes(corrected_csv(found, "处罚决定日期", "2017-02-28"))[-1].draft
    assert draft is not None
    assert draft.parties[0].id_document_number == number
    assert inert("110105194912310028") == "'110105194912310028"


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=len(NAMES), max_size=len(NAMES))
)
def test_every_rejected_row_can_be_written_and_read(row: list[str]) -> None:
    """Whatever it holds; none is lost on the way."""
    found = outcomes(table(row, WRONG))
    rejected = [each for each in found if each.kind is OutcomeKind.REJECTED]
    assert len(as_csv(found)) == len(rejected) + 1
    file = io.BytesIO()
    write_rejects_xlsx(found, file)
    assert load_workbook(file).worksheets[0].max_row == len(rejected) + 1


@pytest.mark.parametrize("layout", [each.key for each in LAYOUTS if each.has])
def test_a_suggested_mapping_written_and_read_again_gives_the_same_columns(layout: str) -> None:
    """For the usual header of every known layout: same places, same fields, same units."""
    names = [FIELDS[each].headers[0] for each in FIELDS if each in next(k for k in LAYOUTS if k.key == layout).has]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([names, ["甲"] * len(names)])
    header, suggestion = suggestion_for(open_table(io.BytesIO(text.getvalue().encode()), "t"))
    again = Mapping.from_yaml(suggestion.mapping.to_yaml())
    assert columns_of(again, header) == columns_of(suggestion.mapping, header)
    assert len(again.columns) == len(names)


@given(st.dictionaries(st.text(min_size=1, max_size=12), st.sampled_from(sorted(FIELDS)), min_size=1, max_size=8))
def test_headers_of_any_characters_survive_the_file(columns: dict[str, str]) -> None:
    """Colons, hashes, quotes and line breaks are YAML's marks and may stand in a header."""
    text = io.StringIO(newline="")
    names = [name for name in columns if name.isprintable()]
    csv.writer(text).writerows([["行政相对人名称", "处罚决定日期", *names], ["甲", "2017-01-08", *["x"] * len(names)]])
    header, suggestion = suggestion_for(open_table(io.BytesIO(text.getvalue().encode()), "t"))
    again = Mapping.from_yaml(suggestion.mapping.to_yaml())
    assert columns_of(again, header) == columns_of(suggestion.mapping, header)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("columns: {行政相对人名称: no_such_field}", "no_such_field"),
        ("columns: {罚款: {field: fine, unit: 美元}}", "美元"),
        ("columns: {行政相对人名称: party_name}\nlayout: 乱写", "乱写"),
        ("columns: {行政相对人名称: party_name}\nconstants: {no_such: x}", "constants"),
        ("columns: {}", "columns"),
        ("columns: [party_name", "line 1"),
        ("", "mapping"),
    ],
)
def test_an_unusable_mapping_is_refused_with_what_is_wrong_in_it(text: str, told: str) -> None:
    """The word at fault stands in the sentence."""
    with pytest.raises(TableRefused) as caught:
        Mapping.from_yaml(text)
    assert caught.value.reason == "MAPPING_INVALID"
    assert told in caught.value.message_zh
    assert told in caught.value.message_en
    assert caught.value.remedy_zh


_SCALAR = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.integers() | st.booleans()
_COLUMNS = st.dictionaries(_SCALAR, _SCALAR | st.fixed_dictionaries({"field": _SCALAR, "unit": _SCALAR}), max_size=3)


def mapping_or_reason(text: str) -> Mapping | str:
    try:
        return Mapping.from_yaml(text)
    except TableRefused as refused:
        return refused.reason


@given(st.text(max_size=200) | st.builds(lambda columns: yaml.safe_dump({"columns": columns}), _COLUMNS | _SCALAR))
def test_any_text_is_a_mapping_or_refused(text: str) -> None:
    """Never another exception."""
    found = mapping_or_reason(text)
    assert found == "MAPPING_INVALID" or isinstance(found, Mapping)


@pytest.mark.parametrize("entry", ["[]", "{field: []}", "{field: {}}", "{field: fine, unit: []}"])
def test_a_list_in_the_place_of_a_field_is_refused(entry: str) -> None:
    """As is any other word that names no field or unit."""
    assert mapping_or_reason(f"columns: {{罚款: {entry}}}") == "MAPPING_INVALID"
