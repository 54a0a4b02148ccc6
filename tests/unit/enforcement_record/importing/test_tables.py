"""Opening files: what is inside counts, not the name; what cannot be read is refused with a reason and a remedy."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from liangfa_enforcement_record.importing import TableRefused, open_table
from liangfa_enforcement_record.importing.cells import column_index, column_letters, number_text
from liangfa_enforcement_record.importing.limits import MAX_CELL_CHARACTERS, Limits
from liangfa_enforcement_record.importing.refusals import REASONS
from tests.unit.enforcement_record.importing.files import CASE, NAMES, cells_of, csv_bytes, with_member, xlsx_bytes

DATA = Path(__file__).parents[3] / "data"
ROWS = [list(NAMES), list(CASE)]
SHEET = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>%s</sheetData></worksheet>'


def refusal(content: bytes, limits: Limits | None = None) -> TableRefused:
    """Return the refusal of a file, read to its end."""
    with pytest.raises(TableRefused) as caught:
        list(open_table(io.BytesIO(content), "table", limits=limits).rows())
    return caught.value


def read_or_refused(content: bytes) -> str:
    """Return the reason of a refusal, empty when every row was read."""
    try:
        list(open_table(io.BytesIO(content), "t").rows())
    except TableRefused as refused:
        return refused.reason
    return ""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_encoding_in_use_is_detected(encoding: str) -> None:
    """硚 is outside GB2312, 㑇 and 𠮷 outside GBK."""
    rows = [list(NAMES), ["武汉硚口㑇𠮷有限公司", *CASE[1:]]]
    assert cells_of(csv_bytes(rows, encoding=encoding)) == rows


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "，", "|"])
def test_every_separator_in_use_is_detected(delimiter: str) -> None:
    """Commas inside the narrative do not mislead."""
    assert cells_of(csv_bytes(ROWS, delimiter=delimiter)) == ROWS


def test_the_separator_hint_of_excel_is_no_row() -> None:
    """sep=; in the first line."""
    content = b"sep=;\r\n" + csv_bytes(ROWS, delimiter=";")
    assert cells_of(content) == ROWS


def test_line_breaks_quotes_and_nuls_stay_inside_their_cells() -> None:
    """A cell is a cell, whatever it holds."""
    row = ['武汉"甲"公司', "第一行\n第二行\r\n第三行", "a\x00b", "x,y", *CASE[4:]]
    assert cells_of(csv_bytes([list(NAMES), row]))[1] == row


def test_rows_are_numbered_as_a_spreadsheet_counts() -> None:
    """Blank lines and line breaks inside cells count as a spreadsheet shows them."""
    content = csv_bytes([list(NAMES), ["甲\n乙", *CASE[1:]], [], list(CASE)])
    assert [row.number for row in open_table(io.BytesIO(content), "t").rows()] == [1, 2, 4]


def test_bytes_that_fit_no_encoding_are_noted_and_marked() -> None:
    """One broken character does not turn the file into another encoding."""
    content = csv_bytes(ROWS).replace("假冒商品".encode(), "假冒商品".encode() + b"\xff", 1)
    table = open_table(io.BytesIO(content), "t")
    assert table.encoding == "utf-8"
    assert [note.reason for note in table.notes] == ["DECODING_LOSSES"]
    assert "\ufffd" in list(table.rows())[1].cells[2]


def test_a_workbook_gives_text_as_its_writer_saw_it() -> None:
    """Dates in ISO form, whole figures without a point, noise of binary figures gone; a ruined code shows its ruin."""
    moment = datetime(2017, 1, 8, 10, 30)
    cells = [date(2017, 1, 8), moment, 2.0, 218.0944, 0.1, True, "文字", None, 420111198001011008]
    assert cells_of(xlsx_bytes(("s", [cells])))[0] == [
        *("2017-01-08", "2017-01-08 10:30:00", "2", "218.0944", "0.1", "TRUE", "文字", "", "4.20111198001011E+17"),
    ]


@given(st.decimals(0, 10**9, places=4))
def test_a_figure_stored_with_seventeen_digits_is_the_typed_one(figure: object) -> None:
    """Excel stores 218.09440000000001 for 218.0944."""
    typed = f"{figure:f}".rstrip("0").rstrip(".")
    assert number_text(f"{float(typed):.17g}") == typed


@given(st.integers(0, 18_277))
def test_column_letters_come_back(index: int) -> None:
    """A to ZZZ."""
    assert column_index(f"{column_letters(index)}12", 2) == index


def test_a_formula_counts_with_its_stored_value_and_is_text_without_one() -> None:
    """Nothing is evaluated."""
    assert cells_of(xlsx_bytes(("s", [["名称", "=1+1"]])))[0] == ["名称", "=1+1"]
    stored = b'<row r="1"><c r="A1"><f>1+1</f><v>2</v></c></row>'
    assert cells_of(with_member(xlsx_bytes(("s", [["x"]])), "xl/worksheets/sheet1.xml", SHEET % stored)) == [["2"]]


def test_instructions_and_hidden_sheets_are_passed_over_and_others_reported() -> None:
    """The first sheet with rows of its own is read; a second one is named, never lost in silence."""
    book = Workbook()
    book.worksheets[0].title = "填表说明"
    book.worksheets[0].append(["金额单位为万元"])
    book.create_sheet("字典隐藏").append(["警告"])
    book.worksheets[1].sheet_state = "hidden"
    for name in ("法人", "自然人"):
        for row in ROWS:
            book.create_sheet(name).append(row) if name not in book.sheetnames else book[name].append(row)
    buffer = io.BytesIO()
    book.save(buffer)
    table = open_table(buffer, "t")
    assert (table.sheet, [s.use for s in table.sheets]) == ("法人", ["instructions", "hidden", "read", "not_read"])
    assert [(note.reason, note.detail) for note in table.notes] == [("SHEET_NOT_READ", "自然人")]
    assert open_table(buffer, "t", sheet="自然人").sheet == "自然人"


def test_cells_merged_downwards_stand_in_each_row() -> None:
    """One agency written once beside three cases; hidden rows are read and reported."""
    book = Workbook()
    sheet = book.worksheets[0]
    for row in (["机关", "当事人"], ["某局", "甲"], [None, "乙"], [None, "丙"]):
        sheet.append(row)
    sheet.merge_cells("A2:A4")
    sheet.row_dimensions[3].hidden = True
    buffer = io.BytesIO()
    book.save(buffer)
    table = open_table(buffer, "t")
    assert [row.cells for row in table.rows()][1:] == [["某局", "甲"], ["某局", "乙"], ["某局", "丙"]]
    assert {note.reason for note in table.notes} == {"HIDDEN_ROWS_READ", "MERGED_CELLS_FILLED"}


def test_thousands_of_formatted_empty_rows_are_no_rows() -> None:
    """A template of 1.5 MB with nothing in it."""
    cell = b'<c r="A%d" s="1"/>'
    rows = b"".join(b'<row r="%d">' % n + cell % n + b"</row>" for n in range(1, 20_000))
    assert cells_of(with_member(xlsx_bytes(("s", [["x"]])), "xl/worksheets/sheet1.xml", SHEET % rows)) == []


def test_an_old_workbook_is_read() -> None:
    """BIFF8, with true dates."""
    table = open_table(DATA / "tables/export_biff.xls", "导出.et")
    rows = list(table.rows())
    assert (table.kind, table.sheet, len(rows)) == ("xls", "公示表", 4)
    assert rows[2].cells[7:9] == ["2", "2017-01-08"]


HTML = """<html><meta charset="gb2312"><table><tr><td>菜单</td></tr></table><table>
<tr><th rowspan=2>名称</th><th colspan=2>金额</th></tr><tr><th>罚款</th><th>没收</th></tr>
<tr><td>甲<br>公司</td><td>1&nbsp;</td><td>2</td></tr></table></html>"""


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_web_page_that_calls_itself_xls_is_read(encoding: str) -> None:
    """The largest table, spans laid out; the encoding declared may be wrong."""
    assert cells_of(HTML.encode(encoding)) == [["名称", "金额", ""], ["名称", "罚款", "没收"], ["甲\n公司", "1", "2"]]


def test_the_xml_workbook_of_2003_is_read() -> None:
    """SpreadsheetML, also called .xls by many systems."""
    content = """<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"
    xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet"><Worksheet ss:Name="s"><Table>
    <Row><Cell><Data ss:Type="String">名称</Data></Cell><Cell ss:Index="3"><Data ss:Type="String">日期</Data></Cell></Row>
    <Row ss:Index="4"><Cell><Data ss:Type="String">甲</Data></Cell><Cell ss:Index="3">
    <Data ss:Type="DateTime">2017-01-08T00:00:00.000</Data></Cell></Row></Table></Worksheet></Workbook>"""
    table = open_table(io.BytesIO(content.encode()), "t.xls")
    assert [(row.number, row.cells) for row in table.rows()] == [
        (1, ["名称", "", "日期"]),
        (4, ["甲", "", "2017-01-08"]),
    ]


def test_a_table_can_be_read_again_from_its_beginning() -> None:
    """Once for the mapping, once for the import."""
    table = open_table(io.BytesIO(csv_bytes(ROWS)), "t")
    assert list(table.rows()) == list(table.rows())


REFUSED = {
    "FILE_EMPTY": b"  \r\n",
    "FILE_TRUNCATED": xlsx_bytes(("s", ROWS))[:-400],
    "FILE_FORMAT_UNKNOWN": b"%PDF-1.7 ...",
    "TABLE_TOO_WIDE": csv_bytes([["x"] * 1_001]),
    "CELL_TOO_LARGE": csv_bytes([["名称", "事实"], ["甲", "长" * (MAX_CELL_CHARACTERS + 1)]]),
}


@pytest.mark.parametrize(("reason", "content"), REFUSED.items())
def test_what_is_no_table_is_refused_with_a_remedy(reason: str, content: bytes) -> None:
    """Each with a reason code and words in both languages."""
    refused = refusal(content)
    assert refused.reason == reason
    assert refused.message_zh
    assert refused.message_en
    assert refused.remedy_zh


def test_a_protected_workbook_is_refused_clearly() -> None:
    """Encrypted OOXML looks like an old workbook from outside."""
    content = (DATA / "tables/export_protected.xlsx").read_bytes()
    assert refusal(content).reason == "FILE_PASSWORD_PROTECTED"


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    """By the sizes that its members declare: 80 MB of zeros in 80 kB."""
    bomb = with_member(xlsx_bytes(("s", ROWS)), "xl/worksheets/sheet9.xml", bytes(80 * 1024 * 1024))
    assert refusal(bomb).reason == "FILE_ZIP_BOMB"
    assert refusal(xlsx_bytes(("s", ROWS)), Limits(unpacked_bytes=1_000)).reason == "FILE_ZIP_BOMB"


def sheet_of(cells: bytes) -> bytes:
    """Return a workbook whose sheet holds the given cells in row 1."""
    return with_member(xlsx_bytes(("s", ROWS)), "xl/worksheets/sheet1.xml", SHEET % (b'<row r="1">%s</row>' % cells))


def test_a_cell_at_the_far_corner_costs_nothing() -> None:
    """XFD1048576 makes some readers hold seventeen billion cells."""
    far = sheet_of(b'<c r="A1" t="str"><v>a</v></c><c r="XFD1" t="str"><v>b</v></c>')
    assert refusal(far).reason == "TABLE_TOO_WIDE"
    assert cells_of(sheet_of(b'<c r="A1" t="str"><v>a</v></c><c r="XFD1" s="1"/>')) == [["a"]]


def test_a_cell_of_hundreds_of_kilobytes_is_refused() -> None:
    """Longer than any narrative; also through the parser's own limit of ten megabytes."""
    assert refusal(sheet_of(b'<c r="A1" t="str"><v>' + b"x" * 200_000 + b"</v></c>")).reason == "CELL_TOO_LARGE"
    assert refusal(sheet_of(b'<c r="A1" t="str"><v>' + b"x" * 11_000_000 + b"</v></c>")).reason == "CELL_TOO_LARGE"


def test_entities_are_never_expanded() -> None:
    """Neither files of the machine nor a billion laughs."""
    laughs = b'<!DOCTYPE w [<!ENTITY a "aaaaaaaaaa"><!ENTITY f SYSTEM "file:///etc/passwd">]>'
    sheet = laughs + SHEET % b'<row r="1"><c r="A1" t="str"><v>x&f;</v></c></row>'
    content = with_member(xlsx_bytes(("s", ROWS)), "xl/worksheets/sheet1.xml", sheet)
    assert "root" not in str(cells_of(content))


def test_an_unknown_sheet_is_named_with_those_there_are() -> None:
    """The person can choose."""
    with pytest.raises(TableRefused, match="法人") as caught:
        open_table(io.BytesIO(xlsx_bytes(("法人", ROWS))), "t", sheet="自然人")
    assert caught.value.reason == "SHEET_NOT_FOUND"


def test_a_file_above_the_limit_is_refused_by_its_size() -> None:
    """Before anything of it is read."""
    assert refusal(csv_bytes(ROWS), Limits(file_bytes=10)).reason == "FILE_TOO_LARGE"


@given(
    st.binary(max_size=2_000),
    st.sampled_from([b"", b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"<html><table>", b"\xff\xfe"]),
)
def test_any_bytes_are_read_or_refused(content: bytes, start: bytes) -> None:
    """Never another exception."""
    assert read_or_refused(start + content) in REASONS | {""}


WORKBOOK = xlsx_bytes(("s", ROWS))


@given(st.integers(0, len(WORKBOOK) - 1), st.integers(0, 255))
def test_a_workbook_with_a_flipped_byte_is_read_or_refused(place: int, value: int) -> None:
    """Damage on the way is told as damage."""
    damaged = bytearray(WORKBOOK)
    damaged[place] = value
    assert read_or_refused(bytes(damaged)) in REASONS | {""}


@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=20),
            min_size=2,
            max_size=6,
        ),
        min_size=2,
        max_size=8,
    )
)
def test_what_is_written_as_csv_comes_back(rows: list[list[str]]) -> None:
    """Cells, quotes, separators and line breaks; rows without content are no rows. The head names a plain table."""
    header = ["行政相对人名称", "违法事实", "处罚依据", "处罚内容"]
    table = [header] * 3 + rows
    expected = [row for row in table if any(row)]
    assert cells_of(csv_bytes(table, encoding="utf-8-sig")) == expected


def test_a_member_that_lies_about_its_size_is_refused() -> None:
    """zipfile stops at the declared size, and the checksum then fails."""
    content = bytearray(xlsx_bytes(("s", [list(CASE)] * 300)))
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
        info = archive.getinfo("xl/worksheets/sheet1.xml")
    declared = info.file_size.to_bytes(4, "little")
    assert refusal(bytes(content.replace(declared, (100).to_bytes(4, "little")))).reason == "FILE_TRUNCATED"
