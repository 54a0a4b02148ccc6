"""The file of rows kept aside: told, safe to open, corrected and sent again."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from liangfa_enforcement_record.importing import OutcomeKind, open_table, read_drafts
from liangfa_enforcement_record.importing.rejects import ADDED, inert, rejects_csv, write_rejects_xlsx
from liangfa_enforcement_record.importing.rows import suggestion_for
from tests.unit.enforcement_record.importing.files import CASE, NAMES, csv_bytes, outcomes_of, row_of

BAD = row_of(
    处罚决定日期="2017-02-30", 行政相对人名称="@甲公司", 违法事实="=1+1,现场查获假冒服装一百二十件", 罚款金额="-1"
)


def test_a_rejected_row_is_told_beside_its_own_cells() -> None:
    """Row, column, value, code, sentence and remedy; good rows are not in the file."""
    content = b"".join(rejects_csv(outcomes_of(csv_bytes([NAMES, CASE, BAD]))))
    header, row = [r.cells for r in open_table(io.BytesIO(content), "t").rows()]
    told = dict(zip(header, row, strict=True))
    assert content.startswith(b"\xef\xbb\xbf")
    assert header == [*NAMES, *ADDED]
    assert told["导入问题_行号"] == "3"
    assert told["导入问题_代码"].split("\n") == ["MONEY_NEGATIVE", "DATE_IMPOSSIBLE"]
    assert "2017-02-30" in told["导入问题_原值"]
    assert "日历上没有这一天" in told["导入问题_原因"]
    assert told["导入问题_处理办法"]


def test_no_cell_is_run_by_a_spreadsheet() -> None:
    """Formulas get an apostrophe; figures stay figures; long figures keep their digits."""
    content = b"".join(rejects_csv(outcomes_of(csv_bytes([NAMES, BAD])))).decode("utf-8-sig")
    assert "'@甲公司" in content
    assert "'=1+1" in content
    assert [inert(cell) for cell in ("-1", "+8613800000000", "420111198001011234", "文字", "")] == [
        *("-1", "'+8613800000000", "'420111198001011234", "文字", ""),
    ]


def test_the_workbook_holds_texts_only() -> None:
    """No formula cell, no number; characters that XML forbids are gone."""
    buffer = io.BytesIO()
    write_rejects_xlsx(outcomes_of(csv_bytes([NAMES, BAD, row_of(处罚决定日期="某\x0b日")])), buffer)
    sheet = load_workbook(buffer).worksheets[0]
    cells = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s"}
    assert sheet.max_row == 3


def test_the_file_can_be_corrected_and_sent_again() -> None:
    """The added columns are no fields; what was guarded comes back as it was."""
    content = b"".join(rejects_csv(outcomes_of(csv_bytes([NAMES, BAD])))).decode("utf-8-sig")
    corrected = content.replace(",-1,2017-02-30,", ",2,2017-02-28,").encode()
    table = open_table(io.BytesIO(corrected), "t")
    _header, suggestion = suggestion_for(table)
    outcome = list(read_drafts(table, suggestion.mapping))[-1]
    assert outcome.kind is OutcomeKind.DRAFT
    assert outcome.draft is not None
    assert outcome.draft.facts.startswith("=1+1")
    assert outcome.draft.parties[0].name == "@甲公司"
    assert not {column.field for column in suggestion.columns if column.header.startswith("导入问题_")} - {""}


def test_no_rejected_row_gives_a_file_with_a_header() -> None:
    """Nothing to correct."""
    assert b"".join(rejects_csv([])).decode("utf-8-sig").strip() == ",".join(ADDED)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=8))
def test_any_rejected_row_can_be_written(cells: list[str]) -> None:
    """Lone surrogates, control characters and formulas included."""
    row = [*row_of(处罚决定日期="某日"), *cells]
    outcome = next(o for o in outcomes_of(csv_bytes([NAMES, row_of(处罚决定日期="某日")])) if o.errors)
    strange = type(outcome)(2, outcome.kind, tuple(row), outcome.names, None, outcome.problems)
    b"".join(rejects_csv([strange])).decode("utf-8-sig")
    write_rejects_xlsx([strange], io.BytesIO())
