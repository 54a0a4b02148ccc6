"""The mess that real exports bring, one file each: what is read out of it, and that every row ends as exactly one outcome."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liangfa_enforcement_record.importing import CaseDraft, OutcomeKind, RowOutcome, open_table, read_drafts
from liangfa_enforcement_record.importing.rows import suggestion_for
from liangfa_enforcement_record.importing.tables import TableNote
from tests.enforcement import USCC

HEADER = (
    "行政相对人名称",
    "统一社会信用代码",
    "行政处罚决定书文号",
    "违法行为类型",
    "违法事实",
    "处罚类别",
    "处罚内容",
    "罚款金额（万元）",
    "处罚决定日期",
    "处罚机关",
)
ROW = {
    "行政相对人名称": "武汉硚口甲商贸有限公司",
    "统一社会信用代码": "",
    "行政处罚决定书文号": "硚市监处罚〔2017〕12号",
    "违法行为类型": "销售假冒商品",
    "违法事实": "现场查获假冒服装120件，货值5479元，尚未售出。",
    "处罚类别": "罚款",
    "处罚内容": "罚款",
    "罚款金额（万元）": "2",
    "处罚决定日期": "2017-01-08",
    "处罚机关": "武汉市硚口区市场监督管理局",
}
IDENTITY = "居民身份证号"


def cells(**changed: str) -> list[str]:
    """Return the usual row with cells changed by the beginning of their header."""
    return [next((v for k, v in changed.items() if name.startswith(k)), ROW[name]) for name in HEADER]


def written(rows: Sequence[Sequence[str]], delimiter: str = ",") -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue()


def outcomes(content: bytes | str) -> list[RowOutcome]:
    file = io.BytesIO(content.encode() if isinstance(content, str) else content)
    table = open_table(file, "导出.csv")
    _header, suggestion = suggestion_for(table)
    return list(read_drafts(table, suggestion.mapping))


def drafts(content: bytes | str) -> list[CaseDraft]:
    return [each.draft for each in outcomes(content) if each.draft is not None]


def only(content: bytes | str) -> CaseDraft:
    (draft,) = drafts(content)
    return draft


def of_cells(**changed: str) -> RowOutcome:
    return outcomes(written([HEADER, cells(**changed)]))[-1]


def read(**changed: str) -> CaseDraft:
    draft = of_cells(**changed).draft
    assert draft is not None
    return draft


def became(content: bytes | str) -> list[str]:
    return [str(each.skipped or each.kind) for each in outcomes(content)]


USUAL = read()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "，"])
def test_the_same_case_comes_out_of_every_encoding_and_separator(encoding: str, delimiter: str) -> None:
    """Two rows of one file, whichever way a system wrote it; 硚 needs GB18030."""
    content = written([HEADER, cells(), cells(行政处罚="硚市监处罚〔2017〕13号")], delimiter).encode(encoding)
    first, second = drafts(content)
    assert (first.parties, first.facts, first.fine_yuan) == (USUAL.parties, USUAL.facts, USUAL.fine_yuan)
    assert (first.decided_on, second.document_number) == (date(2017, 1, 8), "硚市监处罚〔2017〕13号")


def test_a_file_and_its_sibling_in_another_encoding_read_alike() -> None:
    """One month in GB18030, the next in UTF-8."""
    text = written([HEADER, cells()])
    assert drafts(text.encode("gb18030")) == drafts(text.encode("utf-8"))


def test_control_characters_are_taken_out_and_told() -> None:
    """NULs inside a narrative lose nothing else of it."""
    found = of_cells(违法事实="现场查获\x00假冒服装\x01120件，货值5479元，尚未售出。")
    assert found.draft is not None
    assert found.draft.facts == USUAL.facts
    assert [each.reason for each in found.problems] == ["CONTROL_CHARACTERS_REMOVED"]


def test_characters_lost_by_an_earlier_conversion_are_told() -> None:
    """A lone byte that fits no encoding does not turn the rest into nonsense."""
    content = written([HEADER, cells()]).encode("utf-8").replace("服装".encode(), "服".encode() + b"\xff")
    table = open_table(io.BytesIO(content), "t")
    assert table.notes == (TableNote("DECODING_LOSSES", "utf-8"),)
    assert "TEXT_DAMAGED" in {each.reason for each in outcomes(content)[-1].problems}


def test_titles_repeated_headers_totals_and_notes_are_no_cases() -> None:
    """As printed pages bring them; each such row is told with its reason, none disappears."""
    rows = [
        ["行政处罚信息公示表"],
        HEADER,
        cells(),
        HEADER,
        cells(行政处罚="硚市监处罚〔2017〕13号"),
        ["合计", *[""] * 6, "4", "", ""],
        ["表格说明：日期格式为YYYY-MM-DD"],
    ]
    assert became(written(rows)) == ["TITLE", "HEADER", "draft", "REPEATED_HEADER", "draft", "TOTAL", "NOTE"]


def test_a_header_of_two_lines_is_one_header() -> None:
    """Groups above, columns below."""
    upper = ["当事人", "", "处罚决定", *[""] * 7]
    assert became(written([upper, HEADER, cells()]))[-1] == "draft"
    assert only(written([upper, HEADER, cells()])).parties == USUAL.parties


def test_moved_columns_change_nothing() -> None:
    """Columns are known by their names, not by their places."""
    turned = written([HEADER[::-1], cells()[::-1]])
    one, other = only(turned), USUAL
    assert (one.parties, one.facts, one.fine_yuan, one.decided_on) == (
        other.parties,
        other.facts,
        other.fine_yuan,
        other.decided_on,
    )


def test_renamed_columns_are_known() -> None:
    """As other systems call the same thing; the unit in the header counts."""
    names = [
        "当事人",
        "社会信用代码",
        "决定书文号",
        "案由",
        "主要违法事实",
        "处罚种类",
        "处罚结果",
        "罚款（元）",
        "处罚日期",
        "处罚单位",
    ]
    draft = only(written([names, cells(罚款="20000")]))
    assert (draft.parties, draft.facts, draft.fine_yuan) == (USUAL.parties, USUAL.facts, Decimal(20_000))
    assert (draft.decided_on, draft.agency_name) == (USUAL.decided_on, USUAL.agency_name)


def test_the_first_of_a_duplicated_column_counts_where_it_is_filled() -> None:
    """A second column of the same name fills what the first leaves blank, and never overwrites it."""
    twice = [*HEADER, "处罚机关"]
    assert only(written([twice, [*cells(), "别的机关"]])).agency_name == USUAL.agency_name
    assert only(written([twice, [*cells(处罚机关="/"), "武汉市公安局"]])).agency_name == "武汉市公安局"


def test_line_breaks_quotes_and_tabs_stay_inside_their_cell() -> None:
    """A narrative is one cell, however it is written."""
    facts = '现场查获"某牌"服装120件；\n货值5479元，\t尚未售出。'
    found = outcomes(written([HEADER, cells(违法事实=facts), cells()]))
    assert [str(each.kind) for each in found] == ["skipped", "draft", "draft"]
    assert found[1].draft is not None
    assert '"某牌"' in found[1].draft.facts
    assert found[1].draft.facts.endswith("尚未售出。")


@pytest.mark.parametrize(
    "text",
    [
        "2017-01-08", "2017/1/8", "2017.1.8", "2017年1月8日", "2017,01,08", "17-1-8", "17.1.8", "20170108", "2017-1-8 0:00:00",
        "2017-01-08 00:00:00.0", "42743", "1483804800000", "二〇一七年一月八日", "２０１７－０１－０８", " 2017-01-08　",
    ],
)  # fmt: skip
def test_every_spelling_of_a_day_is_that_day(text: str) -> None:
    """All were met in exports of one city."""
    draft = read(处罚决定=text)
    assert (draft.decided_on, draft.decided_text) == (date(2017, 1, 8), "2017-01-08")


@pytest.mark.parametrize(
    ("text", "known"),
    [("2017.1", "2017-01"), ("2017", "2017"), ("2月8日", ""),
        ("1900-01-01", ""), ("长期", ""), ("9999-12-31", ""), ("空", ""), ("/", ""), ("\\", ""), ("-", "")],
)  # fmt: skip
def test_half_a_date_stays_half_a_date(text: str, known: str) -> None:
    """The row is a case; no day is made up."""
    draft = read(处罚决定=text)
    assert (draft.decided_on, draft.decided_text) == (None, known)


@pytest.mark.parametrize("text", ["2017-02-30", "2017-13-01", "某年某月", "0001-01-01"])
def test_a_day_that_cannot_be_keeps_the_row_aside(text: str) -> None:
    """With the cell as it stands, for the sender to correct."""
    found = of_cells(处罚决定=text)
    assert found.kind is OutcomeKind.REJECTED
    assert [(each.column, each.value) for each in found.errors] == [("处罚决定日期", text)]


@pytest.mark.parametrize(
    ("text", "yuan"),
    [
        ("2", "20000"), ("2万元", "20000"), ("20,000.00元", "20000"), ("￥20000元", "20000"), ("人民币贰万元整", "20000"),
        ("伍佰元", "500"), ("七万零七百七十一元九角五分五厘", "70771.955"), ("3538.59775", "35385977.5"), ("146.4275", "1464275"),
        ("0.000001", "0.01"), ("２万元", "20000"), ("0", "0"), ("1亿元", "100000000"),
    ],
)  # fmt: skip
def test_every_spelling_of_money_is_exact_yuan(text: str, yuan: str) -> None:
    """The unit in the cell outweighs the header's 万元; a fen is never lost."""
    assert read(罚款=text).fine_yuan == Decimal(yuan)


@pytest.mark.parametrize("text", ["-1", "1+0.96", "1-2", "若干", "1e30"])
def test_an_amount_that_is_none_keeps_the_row_aside(text: str) -> None:
    """Never read as something near it."""
    found = of_cells(罚款=text)
    assert found.kind is OutcomeKind.REJECTED
    assert found.errors[0].column == "罚款金额（万元）"


@pytest.mark.parametrize("text", ["无", "/", "\\", "空", "暂无", "null", "NULL", "-", "　", "\u200b", "0"])
def test_words_for_nothing_are_nothing(text: str) -> None:
    """In codes, numbers and texts alike."""
    draft = read(行政处罚=text, 统一社会信用代码=text, 违法行为=text)
    assert (draft.document_number, draft.parties[0].uscc) == ("", "")
    assert draft.cause not in {text, "0"}


def test_a_code_in_lower_case_is_that_code() -> None:
    """As are full-width characters and blanks around it; the placeholder of 17 zeros stands for none."""
    for text in (USCC.lower(), f" {USCC}　", USCC.translate({ord(c): ord(c) + 0xFEE0 for c in USCC})):
        assert read(统一社会信用代码=text).parties[0].uscc == USCC
    assert read(统一社会信用代码="00000000000000000x").parties[0].uscc == ""


def test_a_code_that_fails_its_check_keeps_the_row_aside() -> None:
    """Nothing is repaired in silence."""
    wrong = USCC[:-1] + ("1" if USCC[-1] != "1" else "2")
    found = of_cells(统一社会信用代码=wrong)
    assert [(each.reason, each.value) for each in found.errors] == [("CODE_CHECK_FAILED", wrong)]


@pytest.mark.parametrize("text", ["4.20111E+17", "420111198001010000", "42011119800101000"])
def test_ruined_identity_numbers_are_never_taken(text: str) -> None:
    """What a spreadsheet has rounded away cannot be known again: no identity is made of it."""
    found = outcomes(written([[*HEADER, IDENTITY], [*cells(), text]]))[-1]
    assert found.draft is None or found.draft.parties[0].id_document_number == ""
    assert any(each.column == IDENTITY and each.value == text for each in found.problems)


@pytest.mark.parametrize(
    ("text", "end"),
    [("0", "draft"), ("正常", "draft"), ("", "draft"), ("1", "WITHDRAWN"), ("撤销", "WITHDRAWN"), ("1.0", "WITHDRAWN")],
)
def test_a_withdrawn_penalty_starts_no_case(text: str, end: str) -> None:
    """The state of the 2016 layout, as code or word."""
    content = written([[*HEADER, "当前状态"], [*cells(), text]])
    assert became(content)[-1] == end


def test_categories_are_told_apart_whatever_stands_between_them() -> None:
    """；, ; and 、 all occur; unknown words are kept as words."""
    expected = read(处罚类别="警告;罚款").penalty_categories
    assert len(expected) == 2
    assert read(处罚类别="警告；罚款").penalty_categories == expected
    assert read(处罚类别="警告、罚款").penalty_categories == expected
    assert read(处罚类别="罚款;其他-责令改正").penalty_categories[0] == "fine"


def test_one_number_for_several_parties_keeps_them_apart() -> None:
    """One decision on two companies is two cases."""
    both = drafts(written([HEADER, cells(), cells(行政相对人="武汉乙商贸有限公司")]))
    assert len({draft.parties[0].name for draft in both}) == 2


def test_a_header_alone_is_a_table_without_cases() -> None:
    """Nothing was penalised that month."""
    assert became(written([HEADER])) == ["HEADER"]


def test_thousands_of_blank_rows_are_no_rows() -> None:
    """Templates end in formatted emptiness."""
    content = written([HEADER, cells()]) + ",,,,,,,,,\r\n" * 5_000
    assert Counter(became(content)) == {"HEADER": 1, "draft": 1}


def test_a_cell_full_of_other_separators_does_not_change_the_separator() -> None:
    """One odd row of two is no evidence; ragged rows are still rows."""
    assert became(written([HEADER, ["x"] * 11, [";" * 12]]))[0] == "HEADER"
    assert became(written([HEADER, [*["x"] * 10, ";" * 12]]))[0] == "HEADER"


_CELL = st.one_of(
    st.sampled_from(
        [*HEADER, *ROW.values(), "合计", "说明", "", "/", "1e4", "=1+1", "-1", "2017-02-30", "00000000000000000X"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)


@given(st.lists(st.lists(_CELL, max_size=12), max_size=8))
def test_every_input_row_ends_as_exactly_one_outcome(rows: list[list[str]]) -> None:
    """Whatever stands below the header: a case, a row kept aside with errors, or a reason why it holds none."""
    content = written([HEADER, *rows])
    found = outcomes(content)
    numbers = [row.number for row in open_table(io.BytesIO(content.encode()), "t").rows()]
    assert [each.row for each in found] == numbers
    for each in found:
        told = (each.draft is not None, bool(each.errors), each.skipped is not None)
        assert told.count(True) == 1
        assert each.kind is (OutcomeKind.DRAFT, OutcomeKind.REJECTED, OutcomeKind.SKIPPED)[told.index(True)]
